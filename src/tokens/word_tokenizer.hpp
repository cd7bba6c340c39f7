#pragma once
/// @file  One token a word, over a vocabulary taken from the haystack, with tokens of its own for needles.
///
/// Vocabulary, in this order:
///   10 special and template words   <unk> <bos> . ? the magic number for is what
///   words                           those that a task asks for, then the most frequent others of the haystack
///   markers                         "<eos>", "<vision>": what no text spells
///   keys                            names, spelt with a colon: "Paris:"
///   values                          "00" .. "99", or none

#include <span>
#include <unordered_map>

#include "tokens/tokenizer.hpp"

namespace ringworld {

struct WordVocabularyOptions {
  /// How many of the most frequent words are looked at; those that are template words have their token already.
  std::int64_t frequent_words = 1500;
  std::vector<std::string> keys{};     ///< names of needle keys, each once: "Paris"
  std::vector<std::string> words{};    ///< plain words that must have a token of their own
  std::vector<std::string> markers{};  ///< "<eos>", "<vision>": between angle brackets, each once
  bool has_values = true;              ///< whether the numbers "00" .. "99" have tokens
};

/// Lower-cased runs of letters, of any script, and apostrophes, and the signs . , : ; ? ! one by one. A Chinese or
/// Japanese character is a word. Everything else, digits too, only separates.
/// @param text  UTF-8; bytes that are not separate
[[nodiscard]] std::vector<std::string> split_words(std::string_view text);

/// The share of the text's bytes, spaces left out, that are in no word of split_words: 0 to 1.
[[nodiscard]] double dropped_share(std::string_view text);

/// Text to word tokens; unknown words become <unk>.
class WordTokenizer final : public Tokenizer {
 public:
  static constexpr std::int64_t values = 100;

  /// Builds the vocabulary. Words of equal frequency stand in the order in which they first appear.
  /// @throws ringworld::Error (bad_input) when there is no word in `documents`, a name twice, a marker without
  /// brackets, or a plain word that text cannot spell.
  WordTokenizer(std::span<const std::string> documents, const WordVocabularyOptions& options);

  /// @throws ringworld::Error (bad_input) when `text` is not what to_text() wrote.
  [[nodiscard]] static WordTokenizer from_text(std::string_view text);

  WordTokenizer(WordTokenizer&& other) noexcept;

  [[nodiscard]] std::string_view kind() const override { return "word"; }
  [[nodiscard]] std::int64_t vocab_size() const override { return static_cast<std::int64_t>(pieces_.size()); }
  [[nodiscard]] std::optional<Token> bos() const override { return 1; }
  /// The marker "<eos>", where the vocabulary has it.
  [[nodiscard]] std::optional<Token> eos() const override;
  /// Never gives <bos>, a marker, a key or a value, so that a haystack holds no needle by chance.
  [[nodiscard]] std::vector<Token> encode(std::string_view text) const override;
  /// Pieces with a space between them.
  [[nodiscard]] std::string decode(std::span<const Token> tokens) const override;
  /// "word <words> <keys> <markers> <values>", then words, keys and markers, one a line. The last two counts are left out
  /// where there are no markers and all values.
  [[nodiscard]] std::string to_text() const override;

  [[nodiscard]] Token unknown() const { return 0; }
  [[nodiscard]] std::int64_t keys() const { return keys_; }
  [[nodiscard]] Token key(std::int64_t index) const;
  [[nodiscard]] Token value(std::int64_t number) const;
  [[nodiscard]] bool is_key(Token token) const { return token >= first_key() && token < first_key() + keys_; }
  [[nodiscard]] bool is_value(Token token) const { return token >= first_key() + keys_ && token < vocab_size(); }
  /// The token of an exact spelling, specials, keys and values included.
  /// @throws ringworld::Error (bad_input) when there is none.
  [[nodiscard]] Token token(std::string_view piece) const;

 private:
  WordTokenizer() = default;

  struct Parts {
    std::vector<std::string> words;
    std::vector<std::string> keys;
    std::vector<std::string> markers;
    bool has_values = true;
  };

  void build(Parts parts);
  [[nodiscard]] std::int64_t value_count() const { return has_values_ ? values : 0; }
  [[nodiscard]] Token first_key() const { return static_cast<Token>(vocab_size() - value_count() - keys_); }

  std::vector<std::string> pieces_;
  std::unordered_map<std::string, Token> token_of_;
  std::int64_t keys_ = 0;
  std::int64_t markers_ = 0;
  bool has_values_ = true;
};

}  // namespace ringworld
