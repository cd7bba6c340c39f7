#pragma once
/// @file  Byte pair encoding: a word falls into characters, and the pair of neighbours that comes first in the list of
/// merges becomes one piece, until no pair of the list is left.
/// Source: Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", arXiv:1508.07909, algorithm
/// 1. Details (byte fallback, fusion of unknown characters) as in Hugging Face's `tokenizers`.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "tokens/tokenizer.hpp"

namespace ringworld {

/// Lookup of std::string keys by std::string_view.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};
template <class Value>
using TextMap = std::unordered_map<std::string, Value, TextHash, std::equal_to<>>;

struct BytePairParts {
  TextMap<Token> vocabulary;
  /// Pairs of pieces, the first to be merged first.
  std::vector<std::pair<std::string, std::string>> merges;
  /// Of each merge; the lowest comes first, the leftmost of equals. Empty: the place in the list.
  std::vector<std::int32_t> ranks{};
  /// The piece that stands for a character outside the vocabulary; without it such a character is left out.
  std::optional<std::string> unknown = std::nullopt;
  bool fuses_unknown = false;      ///< neighbouring unknown characters are one token
  bool has_byte_fallback = false;  ///< an unknown character becomes tokens "<0x00>" .. "<0xFF>", one a byte
  bool keeps_whole_words = false;  ///< a word that is a piece of the vocabulary needs no merges ("ignore_merges")
};

/// Adds each way to cut a piece into two pieces of the vocabulary as a merge of this rank, for models which have no
/// list of merges but a rank for each piece.
void add_merges_of(std::string_view piece, std::int32_t rank, BytePairParts& parts);

class BytePairModel {
 public:
  /// @throws ringworld::Error (bad_input) that names a piece of a merge, of the fallback or for the unknown which the
  /// vocabulary lacks.
  explicit BytePairModel(BytePairParts parts);

  /// Appends the tokens of a word.
  /// @param word  well-formed UTF-8     Cost: n log n for n characters.
  void encode(std::string_view word, std::vector<Token>& tokens) const;

  /// Whether no piece holds `character` after another one, so that no merge crosses the place before it: words may be
  /// cut there.
  [[nodiscard]] bool starts_pieces(std::string_view character) const;

 private:
  struct Merge {
    std::int32_t rank = 0;
    Token piece = 0;
  };

  [[nodiscard]] std::vector<Token> characters(std::string_view word) const;
  [[nodiscard]] const Merge* merge_of(Token left, Token right) const;
  void merge_short(std::vector<Token>& pieces) const;
  void merge_long(std::vector<Token>& pieces) const;

  TextMap<Token> vocabulary_;
  std::unordered_map<std::uint64_t, Merge> merges_;
  std::vector<std::string> merged_;  ///< what the merges make
  std::vector<Token> fallback_;      ///< (256), or empty
  std::optional<Token> unknown_;
  bool fuses_unknown_;
  bool keeps_whole_words_;
};

}  // namespace ringworld
