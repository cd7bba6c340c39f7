#pragma once
/// @file  The text that a run trains on, in tokens, and the training data that each stage makes from it.

#include <memory>
#include <span>
#include <string>

#include "data/haystack.hpp"
#include "experiments/train/config.hpp"

namespace ringworld {

class TrainingData {
 public:
  /// @throws Error(bad_input) when a haystack or tokenizer cannot be read, naming it.
  /// @param stages  whose tasks say which words need a token
  TrainingData(const DataOptions& options, std::int64_t seed, std::span<const Stage> stages);

  /// Of all text, the held-out part included. 16 hexadecimal digits.
  [[nodiscard]] const std::string& text_digest() const { return text_digest_; }
  [[nodiscard]] const Tokenizer& tokenizer() const { return *tokenizer_; }
  /// What a person should know of the haystack; empty when there is nothing to say.
  [[nodiscard]] const std::string& warning() const { return warning_; }

  /// @throws Error(bad_input) naming the stage when the data do not suffice for it.
  [[nodiscard]] std::unique_ptr<BatchSource> make_source(const Stage& stage, std::int64_t index) const;

 private:
  std::int64_t seed_;
  std::string text_digest_;
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<Haystack> haystack_;
  std::string warning_;
};

}  // namespace ringworld
