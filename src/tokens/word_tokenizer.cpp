#include "tokens/word_tokenizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "core/error.hpp"
#include "core/utf8.hpp"

namespace ringworld {
namespace {

constexpr std::array<std::string_view, 10> special_words{"<unk>", "<bos>",  ".",   "?",  "the",
                                                         "magic", "number", "for", "is", "what"};

bool is_special(std::string_view word) { return std::ranges::find(special_words, word) != special_words.end(); }

/// Words by falling frequency, and by first appearance where that is equal.
std::vector<std::string> words_by_frequency(std::span<const std::string> documents) {
  struct Count {
    std::string word;
    std::int64_t times = 0;
  };
  std::vector<Count> counts;
  std::unordered_map<std::string, std::size_t> index_of;
  for (const std::string& document : documents) {
    for (std::string& word : split_words(document)) {
      const auto [place, is_new] = index_of.try_emplace(word, counts.size());
      if (is_new) {
        counts.push_back({.word = std::move(word)});
      }
      ++counts[place->second].times;
    }
  }
  std::ranges::stable_sort(counts, std::ranges::greater{}, &Count::times);
  std::vector<std::string> words;
  words.reserve(counts.size());
  for (Count& count : counts) {
    words.push_back(std::move(count.word));
  }
  return words;
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  require_input(end != std::string_view::npos, "the text of a word tokenizer ends too early");
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return line;
}

std::int64_t take_number(std::string_view& line) {
  line.remove_prefix(std::min(line.size(), line.find_first_not_of(' ')));
  std::int64_t number = -1;
  const auto [end, failure] = std::from_chars(line.data(), line.data() + line.size(), number);
  require_input(failure == std::errc{} && number >= 0,
                "the text of a word tokenizer starts with 'word <words> <keys>', two counts");
  line.remove_prefix(static_cast<std::size_t>(end - line.data()));
  return number;
}

constexpr char32_t typographic_apostrophe = 0x2019;

struct SplitText {
  std::vector<std::string> words;
  std::size_t bytes = 0;          // but for spaces
  std::size_t dropped_bytes = 0;  // of these, in no word
};

bool is_blank(char32_t code) { return code == ' ' || (code >= '\t' && code <= '\r'); }

SplitText split(std::string_view text) {
  SplitText result;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty()) {
      result.words.push_back(std::exchange(word, {}));
    }
  };
  while (!text.empty()) {
    const Character here = first_character(text).value_or(Character{.code = 0, .bytes = 1});
    text.remove_prefix(here.bytes);
    result.bytes += is_blank(here.code) ? 0 : here.bytes;
    const auto next = first_character(text);
    if (is_letter(here.code)) {
      append_utf8(word, to_small(here.code));
    } else if (here.code == '\'' ||
               (here.code == typographic_apostrophe && !word.empty() && next.has_value() && is_letter(next->code))) {
      word += '\'';
    } else {
      end_word();
      if (is_word_alone(here.code)) {
        append_utf8(result.words.emplace_back(), here.code);
      } else if (here.code != 0 && here.code < 0x80 &&
                 std::string_view(".,:;?!").find(static_cast<char>(here.code)) != std::string_view::npos) {
        result.words.emplace_back(1, static_cast<char>(here.code));
      } else {
        result.dropped_bytes += is_blank(here.code) ? 0 : here.bytes;
      }
    }
  }
  end_word();
  return result;
}

}  // namespace

std::vector<std::string> split_words(std::string_view text) { return split(text).words; }

double dropped_share(std::string_view text) {
  const SplitText parts = split(text);
  return parts.bytes == 0 ? 0.0 : static_cast<double>(parts.dropped_bytes) / static_cast<double>(parts.bytes);
}

WordTokenizer::WordTokenizer(std::span<const std::string> documents, const WordVocabularyOptions& options) {
  require_input(options.frequent_words >= 0,
                fmt::format("a vocabulary of {} words makes no sense", options.frequent_words));
  std::vector<std::string> words = words_by_frequency(documents);
  require_input(!words.empty(), "the haystack has no word to build a vocabulary from");
  words.resize(std::min(words.size(), static_cast<std::size_t>(options.frequent_words)));
  std::erase_if(words, is_special);
  std::vector<std::string> keys;
  for (const std::string& key : options.keys) {
    keys.push_back(key + ":");
  }
  build(std::move(words), std::move(keys));
}

WordTokenizer::WordTokenizer(WordTokenizer&& other) noexcept
    : pieces_(std::move(other.pieces_)), token_of_(std::move(other.token_of_)), keys_(other.keys_) {}

void WordTokenizer::build(std::vector<std::string> words, std::vector<std::string> keys) {
  keys_ = static_cast<std::int64_t>(keys.size());
  pieces_.assign(special_words.begin(), special_words.end());
  std::ranges::move(words, std::back_inserter(pieces_));
  std::ranges::move(keys, std::back_inserter(pieces_));
  for (std::int64_t number = 0; number < values; ++number) {
    pieces_.push_back(fmt::format("{:02}", number));
  }
  for (std::size_t token = 0; token < pieces_.size(); ++token) {
    const bool is_new = token_of_.emplace(pieces_[token], static_cast<Token>(token)).second;
    require_input(is_new, fmt::format("the vocabulary of a word tokenizer holds '{}' twice", pieces_[token]));
  }
}

WordTokenizer WordTokenizer::from_text(std::string_view text) {
  std::string_view counts = take_line(text);
  require_input(counts.starts_with("word "), "the text of a word tokenizer starts with 'word <words> <keys>'");
  counts.remove_prefix(5);
  std::array<std::vector<std::string>, 2> parts;
  std::array<std::int64_t, 2> sizes{};
  for (std::int64_t& size : sizes) {
    size = take_number(counts);
  }
  for (std::size_t part = 0; part < parts.size(); ++part) {
    for (std::int64_t line = 0; line < sizes[part]; ++line) {
      parts[part].emplace_back(take_line(text));
    }
  }
  require_input(text.empty(), "the text of a word tokenizer has more lines than it says");
  WordTokenizer tokenizer;
  tokenizer.build(std::move(parts[0]), std::move(parts[1]));
  return tokenizer;
}

std::string WordTokenizer::to_text() const {
  const std::size_t first = special_words.size();
  const auto after_words = static_cast<std::size_t>(first_key());
  std::string text = fmt::format("word {} {}\n", after_words - first, keys_);
  for (std::size_t token = first; token < after_words + static_cast<std::size_t>(keys_); ++token) {
    text += pieces_[token];
    text += '\n';
  }
  return text;
}

std::vector<Token> WordTokenizer::encode(std::string_view text) const {
  std::vector<Token> tokens;
  for (const std::string& word : split_words(text)) {
    // A split word holds no '<', no capital and no digit, so it never spells a special token, a key or a value.
    const auto place = token_of_.find(word);
    tokens.push_back(place == token_of_.end() ? unknown() : place->second);
  }
  return tokens;
}

std::string WordTokenizer::decode(std::span<const Token> tokens) const {
  std::string text;
  for (const Token token : tokens) {
    require_token(token, vocab_size());
    if (!text.empty()) {
      text += ' ';
    }
    text += pieces_[static_cast<std::size_t>(token)];
  }
  return text;
}

Token WordTokenizer::key(std::int64_t index) const {
  require(index >= 0 && index < keys_, "no such needle key");
  return first_key() + static_cast<Token>(index);
}

Token WordTokenizer::value(std::int64_t number) const {
  require(number >= 0 && number < values, "no such needle value");
  return first_key() + static_cast<Token>(keys_ + number);
}

Token WordTokenizer::token(std::string_view piece) const {
  const auto place = token_of_.find(std::string(piece));
  require_input(place != token_of_.end(), fmt::format("'{}' is not in the word tokenizer's vocabulary", piece));
  return place->second;
}

}  // namespace ringworld
