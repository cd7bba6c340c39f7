#pragma once
/// @file  The text and the frames that a run trains on, in tokens, and the training data that each stage makes of them.

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "cards/card_bank.hpp"
#include "data/haystack.hpp"
#include "device/backend.hpp"
#include "experiments/train/config.hpp"
#include "tasks/task.hpp"
#include "tokens/frame_tokenizer.hpp"

namespace ringworld {

/// How the network that turns frames into codes computes.
struct FrameCompute {
  Backend backend = Backend::host;
  int threads = 1;
};

class TrainingData {
 public:
  /// @throws Error(bad_input) when a haystack, a tokenizer or the handwriting cannot be read, naming it.
  /// @param stages  whose tasks say which words need a token
  TrainingData(const DataOptions& options, std::int64_t seed, std::span<const Stage> stages,
               const FrameCompute& compute);

  /// Of all text, the held-out part included. 16 hexadecimal digits.
  [[nodiscard]] const std::string& text_digest() const { return text_digest_; }
  [[nodiscard]] const Tokenizer& tokenizer() const { return *tokenizer_; }
  /// What a person should know of the haystack; empty when there is nothing to say.
  [[nodiscard]] const std::string& warning() const { return warning_; }
  /// Null when no stage has frames.
  [[nodiscard]] const FrameData* frames() const { return frames_ ? &*frames_ : nullptr; }
  /// Digest of the world of cards; empty without.
  [[nodiscard]] std::string cards_digest() const { return cards_ ? cards_->digest() : std::string(); }
  /// The vocabulary that a model needs for these data.
  [[nodiscard]] Vocabulary vocabulary() const;

  /// @param vocabulary  of the model
  /// @throws Error(bad_input) naming the stage when the data do not suffice for it.
  [[nodiscard]] std::unique_ptr<BatchSource> make_source(const Stage& stage, std::int64_t index,
                                                         const Vocabulary& vocabulary) const;

 private:
  void read_frames(const DataOptions& options, std::span<const Stage> stages, const FrameCompute& compute);

  std::int64_t seed_;
  std::string text_digest_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<Haystack> haystack_;
  std::string warning_;
  std::unique_ptr<FrameTokenizer> frame_tokenizer_;
  std::shared_ptr<const CardWorld> cards_;
  std::unique_ptr<CardBank> bank_;
  std::optional<FrameData> frames_;
};

}  // namespace ringworld
