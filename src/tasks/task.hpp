#pragma once
/// @file  The interface of a task: the data that a stage trains on, and the terms of its loss. The trainer knows no
/// more of it.
///
///   [[stage]]
///   [stage.data]
///   kind = "needle"        chooses the task (tasks.hpp)
///   template = "long1"     the other keys are the task's own: visit_keys()
///
/// A task has a folder of its own under src/tasks; a row in src/tasks/tasks.cpp makes it known.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/batch.hpp"
#include "data/haystack.hpp"
#include "tasks/task_keys.hpp"
#include "tokens/vocabulary.hpp"

namespace ringworld {

class CardBank;

/// What a run knows of images and videos: the codes of its frame tokenizer, and the cards that they can be of.
struct FrameData {
  std::int64_t codes_per_frame = 0;
  std::int64_t codebook_size = 0;
  std::string digest;         ///< of the frame tokenizer; empty when there is none, and codes come from elsewhere
  CardBank* cards = nullptr;  ///< null without
};

/// The inputs that all tasks of a run share. It must outlive the sources that they make.
struct TaskData {
  const Haystack& haystack;
  const Tokenizer& tokenizer;
  std::uint64_t seed = 0;
  Vocabulary vocabulary{};            ///< of the model; its first part holds the tokenizer's tokens
  const FrameData* frames = nullptr;  ///< null without
};

/// What a word vocabulary must have tokens of its own for, beside the words of the text.
struct TaskWords {
  std::vector<std::string> keys;     ///< names of needle keys
  std::vector<std::string> words;    ///< plain words
  std::vector<std::string> markers;  ///< "<eos>"
};

/// The settings of a stage that its data depend on.
struct TaskStage {
  std::int64_t index = 0;  ///< in its schedule
  std::int64_t context_length = 0;
  std::int64_t sequences_per_step = 1;  ///< of all ranks together
};

class Task {
 public:
  Task() = default;
  Task(const Task&) = delete;
  Task& operator=(const Task&) = delete;
  virtual ~Task() = default;

  /// As in the table of tasks: "needle".
  [[nodiscard]] virtual std::string_view kind() const = 0;
  /// Shows every key of the task to `keys`, which may read it from a file or write it down.
  /// @throws ringworld::Error (bad_input) naming the first invalid value.
  virtual void visit_keys(TaskKeys& keys) = 0;
  /// The terms of the loss; a stage that stops at an accuracy looks at the first.
  [[nodiscard]] virtual std::vector<LossTerm> terms() const = 0;
  /// Whether sequences hold several documents, which attention keeps apart.
  [[nodiscard]] virtual bool has_documents() const = 0;
  /// Whether it needs the run's frame tokenizer (TaskData::frames).
  [[nodiscard]] virtual bool has_frames() const { return false; }
  [[nodiscard]] virtual TaskWords words() const { return {}; }
  /// Files of its own that it reads.
  [[nodiscard]] virtual std::vector<std::string> files() const { return {}; }
  /// The sequences to train on.
  /// @throws ringworld::Error (bad_input) when the data do not suffice for the stage; the message says what would.
  [[nodiscard]] virtual std::unique_ptr<BatchSource> source(const TaskData& data, const TaskStage& stage) const = 0;
};

}  // namespace ringworld
