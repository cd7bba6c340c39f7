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

  /// Of all text, the held-out part included. 16 hexadecimal digits.
  [[nodiscard]] const std::string& text_digest() const { return text_digest_; }
  [[nodiscard]] const Tokenizer& tokenizer() const { return *tokenizer_; }
  /// What a person should know of the haystack; empty when there is nothing to say.
  [[nodiscard]] const std::string& warning() const { return warning_; }

  /// @throws Error(bad_input) when the haystack or the context is too short, or needles need the word tokenizer.
  [[nodiscard]] std::unique_ptr<BatchSource> make_source(const Stage& stage, std::int64_t index) const;

 private:
  DataOptions options_;
  std::int64_t seed_;
  std::string text_digest_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<Haystack> haystack_;
  std::string warning_;
};

}  // namespace ringworld
