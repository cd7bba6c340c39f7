#pragma once
/// @file  Needles and their questions over the word vocabulary, and the document that they make with a haystack.
///
///   <bos> hay hay hay | magic Paris: 42 17 . | hay hay | magic Oslo: 03 99 . | hay | what magic Oslo: 03 99 . | ...
///         '--- a window of the haystack with needles put in ---'                  '-- questions and answers --'
///
/// The value follows its key at once: a small model then finds it with one shift of attention.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/enumerators.hpp"
#include "data/draw_stream.hpp"
#include "tokens/word_tokenizer.hpp"

namespace ringworld {

/// short1: "magic KEY V V ." and "what magic KEY V V ."
/// long1:  "the magic number for KEY V V ." and "what is the magic number for KEY V V ."
enum class NeedleTemplate : std::uint8_t { short1, long1 };

template <>
struct Enumerators<NeedleTemplate> {
  static constexpr std::string_view what = "needle template";
  static constexpr std::array<std::string_view, 2> names{"short1", "long1"};
};

/// A fact: a key token and its number in value tokens.
struct NeedleFact {
  static constexpr std::int64_t value_tokens = 2;

  Token key = 0;
  std::array<Token, value_tokens> value{};

  bool operator==(const NeedleFact&) const = default;
};

/// Facts put into a window of haystack, and the questions after it.
struct NeedlePlan {
  std::vector<NeedleFact> facts;
  std::vector<std::int64_t> places;  ///< hay tokens before each needle, not falling
  std::vector<std::int64_t> asked;   ///< facts in the order of their questions
};

/// The tokens of a plan.
struct NeedleDocument {
  std::vector<Token> tokens;                ///< starts with <bos>, ends with the last answer's full stop
  std::vector<std::int64_t> needle_begins;  ///< of each fact
  std::vector<std::int64_t> answer_begins;  ///< first value token of each question
};

/// Writes facts in the words of a template.
class NeedleFormat {
 public:
  NeedleFormat(const WordTokenizer& tokenizer, NeedleTemplate text);

  [[nodiscard]] const WordTokenizer& tokenizer() const { return tokenizer_; }
  /// Tokens of a needle, its full stop included.
  [[nodiscard]] std::int64_t needle_length() const { return static_cast<std::int64_t>(needle_words_.size()) + 4; }
  /// Tokens of a question with its answer.
  [[nodiscard]] std::int64_t question_length() const { return static_cast<std::int64_t>(question_words_.size()) + 4; }

  /// `count` facts with distinct keys and uniform values.
  /// @pre 0 <= count <= tokenizer().keys()
  [[nodiscard]] std::vector<NeedleFact> draw_facts(std::int64_t count, DrawStream& draws) const;

  [[nodiscard]] std::vector<Token> needle(const NeedleFact& fact) const;

  [[nodiscard]] NeedleDocument write(const NeedlePlan& plan, std::span<const Token> hay) const;

 private:
  void append(const std::vector<Token>& words, const NeedleFact& fact, std::vector<Token>& tokens) const;

  const WordTokenizer& tokenizer_;
  std::vector<Token> needle_words_;    ///< before the key
  std::vector<Token> question_words_;  ///< before the key
  Token full_stop_;
};

}  // namespace ringworld
