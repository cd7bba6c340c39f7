#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <unordered_set>

#include "core/error.hpp"
#include "data/corpus.hpp"
#include "data/draw_stream.hpp"

namespace ringworld {
namespace {

enum class Part : std::uint64_t { words, text };

DrawStream draws_of(std::uint64_t seed, Part part) {
  return {seed, DrawPurpose::synthetic_text, {static_cast<std::uint64_t>(part)}};
}

/// Distinct words of one to four syllables, the first being the most frequent and the shortest.
std::vector<std::string> make_words(const SyntheticCorpusOptions& options) {
  constexpr std::string_view consonants = "bcdfghjklmnprstvwz";
  constexpr std::string_view vowels = "aeiou";
  DrawStream draws = draws_of(options.seed, Part::words);
  std::vector<std::string> words;
  std::unordered_set<std::string> known;
  while (static_cast<std::int64_t>(words.size()) < options.distinct_words) {
    const std::size_t made = words.size();
    const int syllables =
        1 + static_cast<int>(made >= 40) + static_cast<int>(made >= 3000) + static_cast<int>(made >= 200'000);
    std::string word;
    for (int syllable = 0; syllable < syllables; ++syllable) {
      word += consonants[static_cast<std::size_t>(draws.below(static_cast<std::int64_t>(consonants.size())))];
      word += vowels[static_cast<std::size_t>(draws.below(static_cast<std::int64_t>(vowels.size())))];
    }
    if (known.insert(word).second) {
      words.push_back(std::move(word));
    }
  }
  return words;
}

/// Sums of 1 / rank^exponent up to each rank.
std::vector<double> cumulative_weights(const SyntheticCorpusOptions& options) {
  std::vector<double> sums;
  double sum = 0;
  for (std::int64_t rank = 1; rank <= options.distinct_words; ++rank) {
    sum += std::pow(static_cast<double>(rank), -options.zipf_exponent);
    sums.push_back(sum);
  }
  return sums;
}

}  // namespace

Corpus make_synthetic_corpus(const SyntheticCorpusOptions& options) {
  require_input(options.words >= 1, fmt::format("a synthetic haystack of {} words: at least 1", options.words));
  require_input(options.distinct_words >= 1 && options.distinct_words <= 1'000'000,
                fmt::format("a synthetic haystack of {} distinct words: 1 to 1000000", options.distinct_words));
  require_input(std::isfinite(options.zipf_exponent) && options.zipf_exponent >= 0,
                fmt::format("Zipf exponent {}: 0 or more", options.zipf_exponent));
  const std::vector<std::string> words = make_words(options);
  const std::vector<double> sums = cumulative_weights(options);
  DrawStream draws = draws_of(options.seed, Part::text);
  Corpus corpus{.name = fmt::format("synthetic text {}", options.seed), .documents = {}};
  std::int64_t written = 0;
  while (written < options.words) {
    std::string& document = corpus.documents.emplace_back();
    const std::int64_t sentences = 20 + draws.below(81);
    for (std::int64_t sentence = 0; sentence < sentences && written < options.words; ++sentence) {
      const std::int64_t length = std::min(4 + draws.below(17), options.words - written);
      const std::int64_t comma_after = draws.below(2 * length);
      for (std::int64_t index = 0; index < length; ++index) {
        const auto place = std::ranges::upper_bound(sums, draws.unit() * sums.back());
        std::string word = words[std::min(static_cast<std::size_t>(place - sums.begin()), words.size() - 1)];
        if (index == 0) {
          word.front() = static_cast<char>(word.front() - 'a' + 'A');
        }
        document += word;
        document += index + 1 == length ? "." : (index == comma_after ? ", " : " ");
      }
      document += '\n';
      written += length;
    }
  }
  return corpus;
}

}  // namespace ringworld
