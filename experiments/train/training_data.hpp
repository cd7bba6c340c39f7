#pragma once
/// @file  The text that a run trains on, and the rows that each stage makes of it.

#include <memory>
#include <string>

#include "data/haystack.hpp"
#include "experiments/train/config.hpp"

namespace ringworld {

class TrainingData {
 public:
  /// @throws Error(bad_input) when a haystack or tokenizer cannot be read, naming it.
  TrainingData(const DataOptions& options, std::int64_t seed);

  [[nodiscard]] const Tokenizer& tokenizer() const { return *tokenizer_; }

  /// @throws Error(bad_input) when the haystack or the context is too short, or needles need the word tokenizer.
  [[nodiscard]] std::unique_ptr<BatchSource> make_source(const Stage& stage, std::int64_t index) const;

 private:
  DataOptions options_;
  std::int64_t seed_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<Haystack> haystack_;
};

}  // namespace ringworld
