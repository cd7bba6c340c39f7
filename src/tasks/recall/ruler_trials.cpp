#include "tasks/recall/ruler_trials.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <set>
#include <span>
#include <utility>

#include "core/error.hpp"
#include "tasks/needle/city_names.hpp"

namespace ringworld {
namespace {

constexpr std::string_view noise =
    "The grass is green. The sky is blue. The sun is yellow. Here we go. There and back again.\n";

/// Words of 4 to 12 lower-case letters, each once.
std::vector<std::string> words_of(std::string_view text) {
  constexpr std::size_t shortest = 4;
  constexpr std::size_t longest = 12;
  std::set<std::string> words;
  std::string word;
  const auto end_word = [&] {
    if (word.size() >= shortest && word.size() <= longest) {
      words.insert(word);
    }
    word.clear();
  };
  bool is_in_other = false;  // a word with a letter that does not count
  for (const char c : text) {
    const bool is_letter = c >= 'a' && c <= 'z';
    const bool is_blank = c == ' ' || c == '\n' || c == ',' || c == '.' || c == ';' || c == ':' || c == '!' || c == '?';
    if (is_blank) {
      if (is_in_other) {
        word.clear();
      }
      end_word();
      is_in_other = false;
    } else if (is_letter) {
      word += c;
    } else {
      is_in_other = true;
    }
  }
  return {words.begin(), words.end()};
}

void append(std::vector<Token>& tokens, std::span<const Token> more) {
  tokens.insert(tokens.end(), more.begin(), more.end());
}

std::vector<std::string> draw_numbers(std::int64_t count, std::int64_t digits, DrawStream& draws) {
  const auto smallest = static_cast<std::int64_t>(std::llround(std::pow(10.0, static_cast<double>(digits - 1))));
  std::vector<std::string> numbers;
  for (const std::int64_t number : draw_distinct(count, 9 * smallest, draws)) {
    numbers.push_back(std::to_string(smallest + number));
  }
  return numbers;
}

/// Distinct words of letters from `first` on.
std::vector<std::string> draw_codes(std::int64_t count, std::int64_t letters, char first, DrawStream& draws) {
  constexpr std::int64_t alphabet = 26;
  std::vector<std::string> codes;
  while (std::ssize(codes) < count) {
    std::string code;
    for (std::int64_t place = 0; place < letters; ++place) {
      code += static_cast<char>(first + draws.below(alphabet));
    }
    if (std::ranges::find(codes, code) == codes.end()) {
      codes.push_back(std::move(code));
    }
  }
  return codes;
}

std::vector<std::string> shuffled(const std::vector<std::string>& words, DrawStream& draws) {
  std::vector<std::string> result;
  for (const std::int64_t place : draw_distinct(std::ssize(words), std::ssize(words), draws)) {
    result.push_back(words[static_cast<std::size_t>(place)]);
  }
  return result;
}

/// "A", "A and B", "A, B, and C"
std::string list_of(const std::vector<std::string>& names) {
  if (names.size() == 1) {
    return names.front();
  }
  const std::string last = names.back();
  const std::string others = fmt::format("{}", fmt::join(std::span(names).first(names.size() - 1), ", "));
  return fmt::format("{}{} and {}", others, names.size() > 2 ? "," : "", last);
}

/// The largest count up to `most` whose text fits; texts grow with the count. -1: not even 0 fits.
std::int64_t largest_that_fits(std::int64_t most, const std::function<bool(std::int64_t)>& fits) {
  std::int64_t low = -1;
  std::int64_t high = most;
  while (low < high) {
    const std::int64_t middle = high - (high - low) / 2;
    if (fits(middle)) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low;
}

[[noreturn]] void refuse_length(const RulerCell& cell, std::int64_t needed) {
  throw Error(ErrorKind::bad_input,
              fmt::format("context length {} is too short for task {}: prompt and answer take {} tokens or more",
                          cell.context_length, name_of(cell.task), needed));
}

}  // namespace

struct RulerTrials::Script {
  std::vector<Token> head;
  std::vector<std::vector<Token>> planted;  // in order
  std::vector<Token> tail;
  std::vector<std::string> answers;

  [[nodiscard]] std::int64_t size() const {
    std::size_t size = head.size() + tail.size();
    for (const auto& tokens : planted) {
      size += tokens.size();
    }
    return static_cast<std::int64_t>(size);
  }

  /// @param places  in the filling, rising, one for each that is planted
  [[nodiscard]] OpenTrial around(std::span<const Token> filling, std::span<const std::int64_t> places) const {
    OpenTrial trial{.prompt = head, .answers = answers};
    std::size_t written = 0;
    for (std::size_t index = 0; index < planted.size(); ++index) {
      const auto place = static_cast<std::size_t>(places[index]);
      append(trial.prompt, filling.subspan(written, place - written));
      append(trial.prompt, planted[index]);
      written = place;
    }
    append(trial.prompt, filling.subspan(written));
    append(trial.prompt, tail);
    return trial;
  }
};

RulerTrials::RulerTrials(const Tokenizer& tokenizer, const Haystack& haystack, ChatTemplate chat)
    : tokenizer_(tokenizer),
      haystack_(haystack),
      chat_(std::move(chat)),
      sentence_ends_(tokenizer),
      words_(words_of(tokenizer.decode(haystack.tokens(HaystackPart::evaluation)))) {
  require_input(tokenizer.kind() != "word",
                "a word tokenizer cannot spell RULER's tasks; choose the byte tokenizer or one of subwords");
}

std::vector<Token> RulerTrials::head_of(const std::string& instruction) const {
  return begin_document(tokenizer_, chat_.prefix + instruction);
}

std::vector<Token> RulerTrials::tail_of(const std::string& question, const std::string& answer_begin) const {
  return tokenizer_.encode_markup(question + chat_.suffix + answer_begin);
}

RulerTrials::Script RulerTrials::needles(RecallTask task, DrawStream& draws) const {
  const RecallCount count = count_of(task);
  const bool has_one_key = task == RecallTask::niah_multivalue;
  std::vector<std::string> keys;
  for (const std::int64_t city : draw_distinct(count.planted, static_cast<std::int64_t>(city_names.size()), draws)) {
    keys.emplace_back(city_names[static_cast<std::size_t>(city)]);
  }
  if (has_one_key) {
    keys.assign(keys.size(), keys.front());
  }
  const std::vector<std::string> values = draw_numbers(count.planted, 7, draws);
  const bool is_one = count.asked == 1;
  const std::string what = is_one ? "number" : "numbers";
  Script script;
  script.head =
      head_of(fmt::format("{} within the following text. Make sure to memorize it. I will quiz you about the "
                          "{} afterwards.\n",
                          is_one ? "A special magic number is hidden" : "Some special magic numbers are hidden", what));
  for (std::size_t index = 0; index < keys.size(); ++index) {
    script.planted.push_back(
        tokenizer_.encode(fmt::format(" One of the special magic numbers for {} is: {}.", keys[index], values[index])));
  }
  // Keys were drawn at random, and so were places: the first are as good as any.
  script.answers.assign(values.begin(), values.begin() + count.asked);
  std::vector<std::string> asked(keys.begin(), keys.begin() + (has_one_key ? 1 : count.asked));
  const std::string query = list_of(asked);
  const std::string question =
      is_one ? fmt::format("\nWhat is the special magic number for {} mentioned in the provided text?", query)
             : fmt::format("\nWhat are all the special magic numbers for {} mentioned in the provided text?", query);
  script.tail = tail_of(question, fmt::format(" The special magic {} for {} mentioned in the provided text {}", what,
                                              query, is_one ? "is" : "are"));
  // The asked ones stand anywhere among the others.
  std::vector<std::vector<Token>> planted;
  for (const std::int64_t index : draw_distinct(count.planted, count.planted, draws)) {
    planted.push_back(script.planted[static_cast<std::size_t>(index)]);
  }
  script.planted = std::move(planted);
  return script;
}

RulerTrials::Script RulerTrials::variables(DrawStream& draws) const {
  const std::int64_t count = count_of(RecallTask::variable_tracking).planted;
  const std::vector<std::string> names = draw_codes(count, 5, 'A', draws);
  const std::string value = draw_numbers(1, 5, draws).front();
  Script script;
  script.head = head_of("Memorize and track the chain(s) of variable assignment hidden in the following text.\n\n");
  for (std::size_t index = 0; index < names.size(); ++index) {
    script.planted.push_back(tokenizer_.encode(index == 0
                                                   ? fmt::format("VAR {} = {}\n", names[0], value)
                                                   : fmt::format("VAR {} = VAR {}\n", names[index], names[index - 1])));
  }
  script.answers = names;
  script.tail = tail_of(
      fmt::format("\nQuestion: Find all variables that are assigned the value {} in the text above.", value),
      fmt::format(
          " Answer: According to the chain(s) of variable assignment in the text above, {} variables are assigned "
          "the value {}, they are: ",
          count, value));
  return script;
}

OpenTrial RulerTrials::fill_with_hay(const RulerCell& cell, const Script& script, DrawStream& draws) const {
  const std::span<const Token> tokens = haystack_.tokens(HaystackPart::evaluation);
  const std::int64_t fixed = script.size() + cell.answer_tokens;
  const std::int64_t size = cell.context_length - fixed;
  if (size + 1 < std::ssize(script.planted)) {
    refuse_length(cell, fixed + std::ssize(script.planted) - 1);
  }
  require_input(size <= std::ssize(tokens),
                fmt::format("context length {} needs {} tokens of haystack, the evaluation part of '{}' has {}",
                            cell.context_length, size, haystack_.name(), tokens.size()));
  const std::span<const Token> hay = draw_window(tokens, size, draws);
  std::vector<std::int64_t> places = draw_distinct(std::ssize(script.planted), size + 1, draws);
  std::ranges::sort(places);
  for (std::int64_t& place : places) {
    place = sentence_ends_.after_last(hay, place);
  }
  return script.around(hay, places);
}

OpenTrial RulerTrials::fill_with_noise(const RulerCell& cell, const Script& script, DrawStream& draws) const {
  const std::vector<Token> line = tokenizer_.encode(noise);
  const std::int64_t fixed = script.size() + cell.answer_tokens;
  const std::int64_t lines = (cell.context_length - fixed) / std::ssize(line);
  if (cell.context_length < fixed || lines + 1 < std::ssize(script.planted)) {
    refuse_length(cell, fixed + (std::ssize(script.planted) - 1) * std::ssize(line));
  }
  std::vector<Token> filling;
  for (std::int64_t number = 0; number < lines; ++number) {
    append(filling, line);
  }
  std::vector<std::int64_t> places = draw_distinct(std::ssize(script.planted), lines + 1, draws);
  std::ranges::sort(places);
  for (std::int64_t& place : places) {
    place *= std::ssize(line);
  }
  return script.around(filling, places);
}

OpenTrial RulerTrials::list_common_words(const RulerCell& cell, DrawStream& draws) const {
  constexpr std::int64_t full_length = 4096;
  const bool is_short = cell.context_length < full_length;
  const std::int64_t times_common = is_short ? 10 : 30;
  const std::int64_t times_other = is_short ? 1 : 3;
  const std::int64_t common = count_of(cell.task).planted;
  require_input(std::ssize(words_) >= common,
                fmt::format("the haystack '{}' has {} words for task {}, which needs {} or more", haystack_.name(),
                            words_.size(), name_of(cell.task), common));
  std::vector<std::string> words = shuffled(words_, draws);
  Script script;
  script.head = head_of(
      "Below is a numbered list of words. In these words, some appear more often than others. Memorize the ones that "
      "appear most often.\n");
  script.tail = tail_of("\nQuestion: What are the 10 most common words in the above list?",
                        " Answer: The top 10 words that appear most often in the list are:");
  script.answers.assign(words.begin(), words.begin() + common);
  const std::int64_t room = cell.context_length - cell.answer_tokens - script.size();
  const DrawStream order = draws;
  const auto list_with = [&](std::int64_t others) {
    std::vector<std::string> list;
    for (std::int64_t index = 0; index < common + others; ++index) {
      list.insert(list.end(), static_cast<std::size_t>(index < common ? times_common : times_other),
                  words[static_cast<std::size_t>(index)]);
    }
    DrawStream own = order;
    list = shuffled(list, own);
    for (std::size_t index = 0; index < list.size(); ++index) {
      list[index] = fmt::format("{}. {}", index + 1, list[index]);
    }
    return tokenizer_.encode(fmt::format("{}", fmt::join(list, " ")));
  };
  const std::int64_t others =
      largest_that_fits(std::min(std::ssize(words) - common, std::max<std::int64_t>(room, 0)),
                        [&](std::int64_t count) { return std::ssize(list_with(count)) <= room; });
  if (others < 0) {
    refuse_length(cell, cell.context_length - room + std::ssize(list_with(0)));
  }
  script.planted = {list_with(others)};
  return script.around({}, std::array<std::int64_t, 1>{0});
}

OpenTrial RulerTrials::list_frequent_words(const RulerCell& cell, DrawStream& draws) const {
  constexpr double zeta_of_2 = 1.6449340668482264;  // RULER's exponent of Zipf's law
  constexpr std::int64_t distinct = 200;
  const std::int64_t asked = count_of(cell.task).asked;
  std::vector<std::string> codes = draw_codes(distinct, 6, 'a', draws);
  codes.front() = "....";
  Script script;
  script.head = head_of(
      "Read the following coded text and track the frequency of each coded word. Find the three most frequently "
      "appeared "
      "coded words. ");
  script.tail = tail_of(
      "\nQuestion: Do not provide any explanation. Please ignore the dots '....'. What are the three most frequently "
      "appeared words in the above coded text?",
      " Answer: According to the coded text above, the three most frequently appeared words are:");
  script.answers.assign(codes.begin() + 1, codes.begin() + 1 + asked);
  const std::int64_t room = cell.context_length - cell.answer_tokens - script.size();
  const DrawStream order = draws;
  const auto text_with = [&](std::int64_t words) {
    std::vector<std::string> list;
    for (std::int64_t rank = 1; rank <= distinct; ++rank) {
      const double share = 1 / (zeta_of_2 * static_cast<double>(rank * rank));
      list.insert(list.end(), static_cast<std::size_t>(static_cast<double>(words) * share),
                  codes[static_cast<std::size_t>(rank - 1)]);
    }
    DrawStream own = order;
    return tokenizer_.encode(fmt::format("{}", fmt::join(shuffled(list, own), " ")));
  };
  // With fewer, the fourth and the fifth word would be as frequent.
  constexpr std::int64_t fewest = 100;
  const std::int64_t words = largest_that_fits(
      std::max<std::int64_t>(room, 0), [&](std::int64_t count) { return std::ssize(text_with(count)) <= room; });
  if (words < fewest) {
    refuse_length(cell, cell.context_length - room + std::ssize(text_with(fewest)));
  }
  script.planted = {text_with(words)};
  return script.around({}, std::array<std::int64_t, 1>{0});
}

OpenTrial RulerTrials::draw(const RulerCell& cell, std::int64_t trial) const {
  DrawStream draws(cell.seed, DrawPurpose::recall_trial,
                   {static_cast<std::uint64_t>(cell.task), static_cast<std::uint64_t>(cell.context_length),
                    static_cast<std::uint64_t>(trial)});
  switch (cell.task) {
    case RecallTask::variable_tracking:
      return fill_with_noise(cell, variables(draws), draws);
    case RecallTask::common_words:
      return list_common_words(cell, draws);
    case RecallTask::frequent_words:
      return list_frequent_words(cell, draws);
    case RecallTask::niah_single:
    case RecallTask::niah_multikey:
    case RecallTask::niah_multivalue:
    case RecallTask::niah_multiquery:
      return fill_with_hay(cell, needles(cell.task, draws), draws);
    case RecallTask::lwm:
      break;
  }
  throw Error(ErrorKind::bad_input, "lwm is no task of RULER");
}

}  // namespace ringworld
