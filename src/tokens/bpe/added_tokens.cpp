#include "tokens/bpe/added_tokens.hpp"

#include <algorithm>

#include "core/utf8.hpp"

namespace ringworld {
namespace {

/// Unicode's property White_Space.
bool is_white_space(char32_t code) {
  return (code >= 0x9 && code <= 0xD) || code == 0x20 || code == 0x85 || code == 0xA0 || code == 0x1680 ||
         (code >= 0x2000 && code <= 0x200A) || code == 0x2028 || code == 0x2029 || code == 0x202F || code == 0x205F ||
         code == 0x3000;
}

std::size_t white_space_at_start(std::string_view text) {
  std::size_t bytes = 0;
  while (const auto character = first_character(text.substr(bytes))) {
    if (!is_white_space(character->code)) {
      break;
    }
    bytes += character->bytes;
  }
  return bytes;
}

/// Where the white space begins that `text` ends with.
std::size_t white_space_at_end(std::string_view text) {
  std::size_t begin = text.size();
  while (begin > 0) {
    std::size_t start = begin - 1;
    while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xC0U) == 0x80U) {
      --start;
    }
    const auto character = first_character(text.substr(start));
    if (!character.has_value() || !is_white_space(character->code)) {
      break;
    }
    begin = start;
  }
  return begin;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder(std::vector<AddedToken> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](const AddedToken& token) { return token.content.empty(); });
  std::ranges::stable_sort(tokens_, std::ranges::greater{},
                           [](const AddedToken& token) { return token.content.size(); });
  for (const AddedToken& token : tokens_) {
    if (first_bytes_.find(token.content.front()) == std::string::npos) {
      first_bytes_ += token.content.front();
    }
  }
}

const AddedToken* AddedTokenFinder::match_at(std::string_view text) const {
  const auto found =
      std::ranges::find_if(tokens_, [&](const AddedToken& token) { return text.starts_with(token.content); });
  return found == tokens_.end() ? nullptr : &*found;
}

void AddedTokenFinder::split(std::string_view text, bool finds_special,
                             const std::function<void(std::string_view text, std::optional<Token> token)>& take) const {
  std::size_t done = 0;
  for (std::size_t place = text.find_first_of(first_bytes_); place < text.size();) {
    const AddedToken* const token = match_at(text.substr(place));
    if (token == nullptr) {
      place = text.find_first_of(first_bytes_, place + 1);
      continue;
    }
    std::size_t begin = place;
    std::size_t end = place + token->content.size();
    place = text.find_first_of(first_bytes_, end);
    if (token->is_special && !finds_special) {
      continue;
    }
    if (token->strips_left) {
      begin = white_space_at_end(text.substr(0, begin));
    }
    begin = std::max(begin, done);  // the token before may have taken the white space
    if (token->strips_right) {
      end += white_space_at_start(text.substr(end));
      place = std::max(place, text.find_first_of(first_bytes_, end));
    }
    if (begin > done) {
      take(text.substr(done, begin - done), std::nullopt);
    }
    take({}, token->token);
    done = end;
  }
  if (done < text.size()) {
    take(text.substr(done), std::nullopt);
  }
}

}  // namespace ringworld
