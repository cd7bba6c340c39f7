#pragma once
/// @file  Documents from a file of examples, a JSON object a line, as Large World Model's data are.
///
///   {"fields": "[vision],caption", "caption": "red seven", "vision": [12, 250, ...]}
///   {"fields": ["[vision],caption", "[caption],vision"], "caption": "a cat",
///    "vision": {"file": "cats.h5", "name": "video 3"}}
///
/// A field with a string is text, one with a list of numbers or a reference is frames, by their codes: whole frames,
/// one after the other. A reference names a codes file that `ringworld tokenize` wrote (beside the file of examples)
/// and a dataset in it; the digest of the network that made the codes must be that of the run's frame tokenizer.
///
/// Deviations from LWM: what a field is follows from its value, not from its name; text has no bos of its own; codes
/// that are no whole number of frames, and a named field that is not there, are errors.

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tasks/vision/examples.hpp"

namespace ringworld {

struct FileExampleOptions {
  std::filesystem::path path;
  std::string fields;           ///< of examples that have no "fields"
  std::int64_t max_frames = 0;  ///< of a longer video so many frames are used, evenly from first to last; 0: all
};

/// The kinds that examples of a file can have.
[[nodiscard]] std::vector<VisionKind> kinds_of_files();

/// The examples of a file, all in memory; the same in every round.
class FileExamples final : public VisionExamples {
 public:
  /// @param digest  of the frame tokenizer of the run; empty: any codes file will do
  /// @throws ringworld::Error (bad_input) naming the file, the line and what is wrong with it.
  FileExamples(const FileExampleOptions& options, const VisionFormat& format, const std::string& digest);

  [[nodiscard]] std::vector<std::int64_t> lengths() const;
  [[nodiscard]] std::vector<VisionKind> kinds() const;
  /// "train.jsonl, line 3", for messages.
  [[nodiscard]] std::string describe(std::int64_t number) const;

  [[nodiscard]] VisionExample example(std::int64_t number, std::int64_t round) override;
  [[nodiscard]] VisionExample outline(std::int64_t number, std::int64_t round) override;
  [[nodiscard]] std::int64_t length(std::int64_t number, std::int64_t round) override;

 private:
  std::filesystem::path path_;
  std::vector<VisionExample> examples_;
  std::vector<std::int64_t> lines_;  ///< of each example
};

}  // namespace ringworld
