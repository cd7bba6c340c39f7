#include "tasks/recall/ruler_trials.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <sstream>

#include "data/small_world.hpp"
#include "support/expect_error.hpp"
#include "tasks/recall/open_score.hpp"

namespace ringworld::test {
namespace {

const RulerTrials& ruler() {
  static const RulerTrials trials(small_world().bytes, small_world().byte_hay, read_chat("lwm"));
  return trials;
}

RulerCell cell(RecallTask task, std::int64_t context_length = 4000) {
  return {.task = task, .context_length = context_length, .answer_tokens = answer_tokens_of(task), .seed = 3};
}

std::string text_of(const OpenTrial& trial) { return small_world().bytes.decode(trial.prompt); }

std::int64_t count(const std::string& text, const std::string& part) {
  std::int64_t found = 0;
  for (std::size_t place = text.find(part); place != std::string::npos; place = text.find(part, place + 1)) {
    ++found;
  }
  return found;
}

std::string between(const std::string& text, const std::string& begin, const std::string& end) {
  const std::size_t from = text.find(begin) + begin.size();
  return text.substr(from, text.find(end, from) - from);
}

class RulerNeedles : public testing::TestWithParam<RecallTask> {};

TEST_P(RulerNeedles, StandOnceInAPromptOfTheWholeLength) {
  const RecallCount counts = count_of(GetParam());
  for (std::int64_t number = 0; number < 5; ++number) {
    const OpenTrial trial = ruler().draw(cell(GetParam()), number);
    const std::string text = text_of(trial);
    EXPECT_EQ(std::ssize(trial.prompt), 4000 - 128);
    EXPECT_EQ(count(text, "One of the special magic numbers for "), counts.planted);
    EXPECT_EQ(std::ssize(trial.answers), counts.asked);
    for (const std::string& answer : trial.answers) {
      EXPECT_EQ(answer.size(), 7U);
      EXPECT_EQ(count(text, ": " + answer + "."), 1);
    }
    const std::string question = text.substr(text.rfind("mentioned in the provided text?"));
    EXPECT_NE(question.find(" ASSISTANT: "), std::string::npos) << "the chat's suffix stands before the answer's begin";
    EXPECT_TRUE(text.ends_with(counts.asked == 1 ? "text is" : "text are"));
  }
}

INSTANTIATE_TEST_SUITE_P(Tasks, RulerNeedles,
                         testing::Values(RecallTask::niah_single, RecallTask::niah_multikey,
                                         RecallTask::niah_multivalue, RecallTask::niah_multiquery),
                         [](const auto& task) { return std::string(name_of(task.param)); });

TEST(RulerTrials, AskForTheKeyOfTheAnswer) {
  const OpenTrial trial = ruler().draw(cell(RecallTask::niah_multikey), 0);
  const std::string text = text_of(trial);
  const std::string key = between(text, "What is the special magic number for ", " mentioned");
  EXPECT_EQ(between(text, "numbers for " + key + " is: ", "."), trial.answers.front());
}

TEST(RulerTrials, AskForAllValuesOfOneKey) {
  const OpenTrial trial = ruler().draw(cell(RecallTask::niah_multivalue), 0);
  const std::string key = between(text_of(trial), "What are all the special magic numbers for ", " mentioned");
  EXPECT_EQ(count(text_of(trial), "One of the special magic numbers for " + key + " is: "), 4);
}

TEST(RulerTrials, SetEachVariableToTheOneBefore) {
  const OpenTrial trial = ruler().draw(cell(RecallTask::variable_tracking, 1500), 0);
  const std::string text = text_of(trial);
  const std::string value = between(text, "assigned the value ", " in the text");
  ASSERT_EQ(trial.answers.size(), 5U);
  std::size_t last = text.find("VAR " + trial.answers[0] + " = " + value + "\n");
  ASSERT_NE(last, std::string::npos);
  for (std::size_t index = 1; index < 5; ++index) {
    const std::size_t place = text.find("VAR " + trial.answers[index] + " = VAR " + trial.answers[index - 1] + "\n");
    ASSERT_NE(place, std::string::npos);
    EXPECT_GT(place, last) << "assignments stand in order";
    last = place;
  }
  EXPECT_LE(std::ssize(trial.prompt), 1500 - 30);
  EXPECT_GT(std::ssize(trial.prompt), 1500 - 30 - 100) << "a line of filling is shorter than 100 bytes";
}

std::vector<std::pair<std::int64_t, std::string>> by_frequency(const std::string& text) {
  std::map<std::string, std::int64_t> counts;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (!word.ends_with('.') || word == "....") {
      ++counts[word];
    }
  }
  std::vector<std::pair<std::int64_t, std::string>> sorted;
  for (const auto& [word, times] : counts) {
    sorted.emplace_back(times, word);
  }
  std::ranges::sort(sorted, std::greater<>{});
  return sorted;
}

TEST(RulerTrials, ListTheCommonWordsMostOften) {
  const OpenTrial trial = ruler().draw(cell(RecallTask::common_words), 1);
  const auto counted = by_frequency(between(text_of(trial), "appear most often.\n", "\nQuestion"));
  ASSERT_GT(counted.size(), 11U);
  for (std::size_t index = 0; index < 10; ++index) {
    EXPECT_EQ(counted[index].first, 10);
    EXPECT_EQ(std::ranges::count(trial.answers, counted[index].second), 1) << counted[index].second;
  }
  EXPECT_EQ(counted[10].first, 1);
  EXPECT_LE(std::ssize(trial.prompt), 4000 - 120);
}

TEST(RulerTrials, NameTheThreeMostFrequentCodesAfterTheDots) {
  const OpenTrial trial = ruler().draw(cell(RecallTask::frequent_words), 1);
  const auto counted = by_frequency(between(text_of(trial), "coded words. ", "\nQuestion"));
  EXPECT_EQ(counted[0].second, "....");
  for (std::size_t rank = 1; rank <= 3; ++rank) {
    EXPECT_EQ(counted[rank].second, trial.answers[rank - 1]);
    EXPECT_LT(counted[rank].first, counted[rank - 1].first);
  }
  EXPECT_LT(counted[4].first, counted[3].first);
}

TEST(RulerTrials, SayWhatLengthWouldDo) {
  for (const RecallTask task : {RecallTask::niah_multiquery, RecallTask::variable_tracking, RecallTask::common_words,
                                RecallTask::frequent_words}) {
    expect_error(ErrorKind::bad_input, [&] { (void)ruler().draw(cell(task, 300), 0); },
                 {"300", "too short", name_of(task)});
  }
}

TEST(RulerTrials, AreTheSameWheneverTheyAreDrawn) {
  for (const RecallTask task : {RecallTask::niah_multikey, RecallTask::common_words}) {
    EXPECT_EQ(ruler().draw(cell(task), 2).prompt, ruler().draw(cell(task), 2).prompt);
    EXPECT_NE(ruler().draw(cell(task), 2).prompt, ruler().draw(cell(task), 3).prompt);
  }
}

TEST(CountMatches, LooksForEachExpectedTextWhateverItsCase) {
  EXPECT_EQ(count_matches("The numbers are 1234567 and 7654321.", {"1234567", "7654321"}), 2);
  EXPECT_EQ(count_matches("It is 123456.", {"1234567"}), 0);
  EXPECT_EQ(count_matches("abcde, FGHIJ", {"ABCDE", "fghij", "KLMNO"}), 2);
  EXPECT_EQ(count_matches("", {"1"}), 0);
}

}  // namespace
}  // namespace ringworld::test
