#pragma once
/// @file  A corpus in the model's own tokens, with a part for training and a part held out for evaluation.

#include <span>
#include <string>
#include <vector>

#include "data/corpus.hpp"
#include "data/draw_stream.hpp"
#include "tokens/tokenizer.hpp"

namespace ringworld {

enum class HaystackPart : std::uint8_t { training, evaluation };

/// Tokens of all documents, one after the other, and where each document begins.
///
///   | doc 0 | doc 1  | doc 2 ...            | doc n |
///   |<- training: first 90 % of the tokens ->|<- evaluation ->|
class Haystack {
 public:
  static constexpr double default_training_share = 0.9;

  /// @throws ringworld::Error (bad_input) when the share is outside [0, 1].
  Haystack(const Corpus& corpus, const Tokenizer& tokenizer, double training_share = default_training_share);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::span<const Token> tokens(HaystackPart part) const;
  /// Where documents begin in tokens(part), rising from 0. A document that the border cuts is in both parts.
  [[nodiscard]] std::vector<std::int64_t> document_begins(HaystackPart part) const;

 private:
  void append(const Corpus& corpus, const Tokenizer& tokenizer);

  std::string name_;
  std::vector<Token> tokens_;
  std::vector<std::int64_t> begins_;
  std::int64_t training_tokens_ = 0;
};

/// A contiguous window of `count` tokens that starts anywhere.
/// @pre 0 <= count <= haystack.size()
[[nodiscard]] std::span<const Token> draw_window(std::span<const Token> haystack, std::int64_t count,
                                                 DrawStream& draws);

/// "training" or "evaluation".
[[nodiscard]] constexpr std::string_view name_of(HaystackPart part) noexcept {
  return part == HaystackPart::training ? "training" : "evaluation";
}

}  // namespace ringworld
