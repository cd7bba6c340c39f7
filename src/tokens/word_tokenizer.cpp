#include "tokens/word_tokenizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <unordered_set>
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
  std::vector<std::string> frequent = words_by_frequency(documents);
  require_input(!frequent.empty(), "the haystack has no word to build a vocabulary from");
  frequent.resize(std::min(frequent.size(), static_cast<std::size_t>(options.frequent_words)));
  Parts parts{.words = options.words, .keys = {}, .markers = options.markers, .has_values = options.has_values};
  for (const std::string& word : parts.words) {
    require_input(split_words(word) == std::vector{word}, fmt::format("'{}' is not one word of a text", word));
  }
  for (const std::string& marker : parts.markers) {
    require_input(marker.starts_with('<') && marker.ends_with('>'),
                  fmt::format("marker '{}' of a vocabulary stands between < and >", marker));
  }
  const std::unordered_set<std::string> own(parts.words.begin(), parts.words.end());
  std::ranges::copy_if(frequent, std::back_inserter(parts.words),
                       [&](const std::string& word) { return !own.contains(word); });
  std::erase_if(parts.words, is_special);
  for (const std::string& key : options.keys) {
    parts.keys.push_back(key + ":");
  }
  build(std::move(parts));
}

WordTokenizer::WordTokenizer(WordTokenizer&& other) noexcept
    : pieces_(std::move(other.pieces_)),
      token_of_(std::move(other.token_of_)),
      keys_(other.keys_),
      markers_(other.markers_),
      has_values_(other.has_values_) {}

void WordTokenizer::build(Parts parts) {
  keys_ = std::ssize(parts.keys);
  markers_ = std::ssize(parts.markers);
  has_values_ = parts.has_values;
  pieces_.assign(special_words.begin(), special_words.end());
  std::ranges::move(parts.words, std::back_inserter(pieces_));
  std::ranges::move(parts.markers, std::back_inserter(pieces_));
  std::ranges::move(parts.keys, std::back_inserter(pieces_));
  for (std::int64_t number = 0; number < value_count(); ++number) {
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
  const std::int64_t words = take_number(counts);
  const std::int64_t keys = take_number(counts);
  const bool has_more_parts = !counts.empty();
  const std::int64_t markers = has_more_parts ? take_number(counts) : 0;
  const std::int64_t numbers = has_more_parts ? take_number(counts) : values;
  require_input(numbers == 0 || numbers == values,
                fmt::format("a word tokenizer has {} values or none, not {}", values, numbers));
  const auto take_lines = [&](std::int64_t lines) {
    std::vector<std::string> taken;
    for (std::int64_t line = 0; line < lines; ++line) {
      taken.emplace_back(take_line(text));
    }
    return taken;
  };
  Parts parts;
  parts.words = take_lines(words);
  parts.keys = take_lines(keys);
  parts.markers = take_lines(markers);
  parts.has_values = numbers > 0;
  require_input(text.empty(), "the text of a word tokenizer has more lines than it says");
  WordTokenizer tokenizer;
  tokenizer.build(std::move(parts));
  return tokenizer;
}

std::string WordTokenizer::to_text() const {
  const auto first = static_cast<std::int64_t>(special_words.size());
  const std::int64_t after_words = first_key() - markers_;
  std::string text = fmt::format("word {} {}", after_words - first, keys_);
  text += markers_ == 0 && has_values_ ? "\n" : fmt::format(" {} {}\n", markers_, value_count());
  const auto append_lines = [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t token = begin; token < end; ++token) {
      text += pieces_[static_cast<std::size_t>(token)];
      text += '\n';
    }
  };
  append_lines(first, after_words);
  append_lines(first_key(), first_key() + keys_);
  append_lines(after_words, first_key());
  return text;
}

std::optional<Token> WordTokenizer::eos() const {
  const auto place = token_of_.find("<eos>");
  return place == token_of_.end() ? std::nullopt : std::optional(place->second);
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
  require(number >= 0 && number < value_count(), "no such needle value");
  return first_key() + static_cast<Token>(keys_ + number);
}

Token WordTokenizer::token(std::string_view piece) const {
  const auto place = token_of_.find(std::string(piece));
  require_input(place != token_of_.end(), fmt::format("'{}' is not in the word tokenizer's vocabulary", piece));
  return place->second;
}

}  // namespace ringworld
