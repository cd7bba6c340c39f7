#include "tokens/bpe/byte_pair_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <queue>

#include "core/error.hpp"
#include "core/utf8.hpp"

namespace ringworld {
namespace {

/// Words up to this many characters are merged by looking at all pairs again after each merge, longer ones by a heap.
constexpr std::size_t short_word = 48;

std::uint64_t pair_key(Token left, Token right) {
  return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32U) | static_cast<std::uint32_t>(right);
}

}  // namespace

void add_merges_of(std::string_view piece, std::int32_t rank, BytePairParts& parts) {
  for (std::size_t cut = 1; cut < piece.size(); ++cut) {
    const std::string_view left = piece.substr(0, cut);
    const std::string_view right = piece.substr(cut);
    if (parts.vocabulary.contains(left) && parts.vocabulary.contains(right)) {
      parts.merges.emplace_back(left, right);
      parts.ranks.push_back(rank);
    }
  }
}

BytePairModel::BytePairModel(BytePairParts parts)
    : vocabulary_(std::move(parts.vocabulary)),
      fuses_unknown_(parts.fuses_unknown),
      keeps_whole_words_(parts.keeps_whole_words) {
  const auto token_of = [&](std::string_view piece, std::string_view what) {
    const auto place = vocabulary_.find(piece);
    require_input(place != vocabulary_.end(), fmt::format("{} '{}' is not in the vocabulary", what, piece));
    return place->second;
  };
  require_input(parts.merges.size() < static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()),
                "there are more merges than 32 bits can count");
  require(parts.ranks.empty() || parts.ranks.size() == parts.merges.size(), "a rank for each merge, or none");
  merges_.reserve(parts.merges.size());
  merged_.reserve(parts.merges.size());
  for (std::size_t place = 0; place < parts.merges.size(); ++place) {
    const auto& [left, right] = parts.merges[place];
    merged_.push_back(left + right);
    const Token piece = token_of(merged_.back(), "a merge's piece");
    const Merge merge{.rank = parts.ranks.empty() ? static_cast<std::int32_t>(place) : parts.ranks[place],
                      .piece = piece};
    // The last of equal pairs counts, as in `tokenizers`.
    merges_.insert_or_assign(pair_key(token_of(left, "a merge's piece"), token_of(right, "a merge's piece")), merge);
  }
  if (parts.unknown.has_value()) {
    unknown_ = token_of(*parts.unknown, "unknown piece");
  }
  if (parts.has_byte_fallback) {
    for (int byte = 0; byte < 256; ++byte) {
      fallback_.push_back(token_of(fmt::format("<0x{:02X}>", byte), "byte fallback's piece"));
    }
  }
}

bool BytePairModel::starts_pieces(std::string_view character) const {
  if (keeps_whole_words_ || !vocabulary_.contains(character)) {
    return false;
  }
  return std::ranges::none_of(merged_, [&](const std::string& piece) {
    for (std::size_t place = piece.find(character, 1); place != std::string::npos;
         place = piece.find(character, place + 1)) {
      if (!std::string_view(piece).substr(0, place).ends_with(character)) {
        return true;
      }
    }
    return false;
  });
}

std::vector<Token> BytePairModel::characters(std::string_view word) const {
  std::vector<Token> pieces;
  pieces.reserve(word.size());
  bool is_unknown_open = false;
  while (!word.empty()) {
    const auto character = first_character(word);
    require(character.has_value(), "a word for byte pair encoding is not well-formed UTF-8");
    const std::string_view text = word.substr(0, character->bytes);
    word.remove_prefix(character->bytes);
    if (const auto place = vocabulary_.find(text); place != vocabulary_.end()) {
      pieces.push_back(place->second);
      is_unknown_open = false;
      continue;
    }
    if (!fallback_.empty()) {
      std::ranges::transform(text, std::back_inserter(pieces),
                             [&](char byte) { return fallback_[static_cast<unsigned char>(byte)]; });
    } else if (unknown_.has_value() && !(is_unknown_open && fuses_unknown_)) {
      pieces.push_back(*unknown_);
      is_unknown_open = true;
    }
  }
  return pieces;
}

const BytePairModel::Merge* BytePairModel::merge_of(Token left, Token right) const {
  const auto place = merges_.find(pair_key(left, right));
  return place == merges_.end() ? nullptr : &place->second;
}

void BytePairModel::encode(std::string_view word, std::vector<Token>& tokens) const {
  if (keeps_whole_words_) {
    if (const auto place = vocabulary_.find(word); place != vocabulary_.end()) {
      tokens.push_back(place->second);
      return;
    }
  }
  std::vector<Token> pieces = characters(word);
  pieces.size() <= short_word ? merge_short(pieces) : merge_long(pieces);
  tokens.insert(tokens.end(), pieces.begin(), pieces.end());
}

void BytePairModel::merge_short(std::vector<Token>& pieces) const {
  // Merge of each piece with the next one.
  std::vector<const Merge*> with_next(pieces.size(), nullptr);
  const auto look = [&](std::size_t place) {
    with_next[place] = place + 1 < pieces.size() ? merge_of(pieces[place], pieces[place + 1]) : nullptr;
  };
  for (std::size_t place = 0; place < pieces.size(); ++place) {
    look(place);
  }
  while (true) {
    std::size_t best = pieces.size();
    for (std::size_t place = 0; place + 1 < pieces.size(); ++place) {
      if (with_next[place] != nullptr && (best == pieces.size() || with_next[place]->rank < with_next[best]->rank)) {
        best = place;
      }
    }
    if (best == pieces.size()) {
      return;
    }
    pieces[best] = with_next[best]->piece;
    const auto after = static_cast<std::ptrdiff_t>(best) + 1;
    pieces.erase(pieces.begin() + after);
    with_next.erase(with_next.begin() + after);
    look(best);
    if (best > 0) {
      look(best - 1);
    }
  }
}

void BytePairModel::merge_long(std::vector<Token>& pieces) const {
  // Pieces stay where they begin; `next` and `previous` link those that are left.
  struct Candidate {
    std::int32_t rank;
    std::int64_t place;
    Token piece;
    bool operator>(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : place > other.place;
    }
  };
  constexpr Token merged_away = -1;
  const auto count = std::ssize(pieces);
  std::vector<std::int64_t> next(pieces.size());
  std::vector<std::int64_t> previous(pieces.size());
  std::priority_queue<Candidate, std::vector<Candidate>, std::greater<>> candidates;
  const auto piece_at = [&](std::int64_t place) -> Token& { return pieces[static_cast<std::size_t>(place)]; };
  const auto next_of = [&](std::int64_t place) -> std::int64_t& { return next[static_cast<std::size_t>(place)]; };
  const auto consider = [&](std::int64_t place) {
    if (place >= 0 && next_of(place) < count) {
      if (const Merge* merge = merge_of(piece_at(place), piece_at(next_of(place)))) {
        candidates.push({.rank = merge->rank, .place = place, .piece = merge->piece});
      }
    }
  };
  for (std::int64_t place = 0; place < count; ++place) {
    next_of(place) = place + 1;
    previous[static_cast<std::size_t>(place)] = place - 1;
  }
  for (std::int64_t place = 0; place < count; ++place) {
    consider(place);
  }
  while (!candidates.empty()) {
    const Candidate candidate = candidates.top();
    candidates.pop();
    const std::int64_t place = candidate.place;
    if (piece_at(place) == merged_away || next_of(place) >= count) {
      continue;
    }
    const std::int64_t right = next_of(place);
    const Merge* merge = merge_of(piece_at(place), piece_at(right));
    if (merge == nullptr || merge->piece != candidate.piece) {
      continue;  // a neighbour has changed since
    }
    piece_at(place) = candidate.piece;
    piece_at(right) = merged_away;
    next_of(place) = next_of(right);
    if (next_of(place) < count) {
      previous[static_cast<std::size_t>(next_of(place))] = place;
    }
    consider(previous[static_cast<std::size_t>(place)]);
    consider(place);
  }
  std::erase(pieces, merged_away);
}

}  // namespace ringworld
