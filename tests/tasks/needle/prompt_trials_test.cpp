#include "tasks/needle/prompt_trials.hpp"

#include <gtest/gtest.h>

#include <set>

#include "data/small_world.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

const PromptTrials& prompts() {
  static const PromptTrials needles(small_world().bytes, small_world().byte_hay);
  return needles;
}

std::string text_of(const NeedleTrial& trial, std::int64_t begin, std::int64_t length) {
  return small_world().bytes.decode(
      std::span(trial.tokens).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(length)));
}

TEST(PromptTrials, AreInLwmsWords) {
  const NeedleTrial trial = prompts().draw({.context_length = 2000, .depth = 0.5}, 0);
  ASSERT_EQ(trial.tokens.size(), 2000U);
  EXPECT_TRUE(text_of(trial, 0, 100).starts_with("<bos>You are a helpful assistant. USER: "));
  const PlantedNeedle& needle = trial.needles[0];
  EXPECT_EQ(needle.value.size(), 7U);
  EXPECT_EQ(text_of(trial, needle.begin, needle.length),
            "\nThe special magic " + needle.key + " number is: " + needle.value + "\n");
  const std::string question =
      " What is the special magic " + needle.key +
      " number? Don't give information outside the document or repeat your findings. Keep your response short and "
      "direct. ASSISTANT: ";
  const auto size = static_cast<std::int64_t>(question.size());
  EXPECT_EQ(text_of(trial, trial.prompt_length - size, size), question);
  EXPECT_EQ(text_of(trial, trial.prompt_length, 7), needle.value);
  EXPECT_EQ(trial.asked[0].answer_begin, trial.prompt_length);
  EXPECT_EQ(trial.prompt_length, 2000 - 7);
}

TEST(PromptTrials, GoAfterASentenceAtOrBeforeTheirDepth) {
  const auto head = static_cast<std::int64_t>(std::string_view("?You are a helpful assistant. USER: ").size());
  for (std::int64_t number = 0; number < 50; ++number) {
    const NeedleTrial trial = prompts().draw({.context_length = 3000, .depth = 0.5}, number);
    const PlantedNeedle& needle = trial.needles[0];
    EXPECT_LE(needle.depth, 0.5 + 0.001) << "a place is a whole token";
    EXPECT_GT(needle.depth, 0.4) << "sentences are at most about 80 bytes";
    EXPECT_EQ(text_of(trial, needle.begin - 1, 1), ".");
    EXPECT_EQ(prompts().draw({.context_length = 3000, .depth = 0.0}, number).needles[0].begin, head);
    EXPECT_EQ(prompts().draw({.context_length = 3000, .depth = 1.0}, number).needles[0].depth, 1.0);
  }
}

TEST(PromptTrials, AskForSeveralInOneQuestion) {
  std::set<std::string> first_keys;
  for (std::int64_t number = 0; number < 20; ++number) {
    const NeedleTrial trial =
        prompts().draw({.context_length = 4000, .depth = 0.7, .planted = 5, .asked = 3, .seed = 2}, number);
    ASSERT_EQ(trial.tokens.size(), 4000U);
    ASSERT_EQ(trial.asked.size(), 3U);
    std::vector<PlantedNeedle> asked;
    for (const AskedNeedle& question : trial.asked) {
      asked.push_back(trial.needles[static_cast<std::size_t>(question.needle)]);
      EXPECT_EQ(text_of(trial, question.answer_begin, question.answer_length), asked.back().value);
    }
    const std::string question = " What are the special magic numbers for " + asked[0].key + ", " + asked[1].key +
                                 ", and " + asked[2].key + "? Don't";
    const std::string prompt = text_of(trial, 0, trial.prompt_length);
    EXPECT_NE(prompt.find(question), std::string::npos);
    EXPECT_EQ(text_of(trial, trial.prompt_length, 4000 - trial.prompt_length),
              asked[0].key + ": " + asked[0].value + ", " + asked[1].key + ": " + asked[1].value + ", " + asked[2].key +
                  ": " + asked[2].value);
    EXPECT_LE(asked[0].depth, 0.7 + 0.001);
    EXPECT_GT(asked[0].depth, 0.6);
    for (const PlantedNeedle& needle : trial.needles) {
      EXPECT_NE(prompt.find("\nThe special magic " + needle.key + " number is: " + needle.value + "\n"),
                std::string::npos)
          << "no needle cuts another";
    }
    first_keys.insert(asked[0].key);
  }
  EXPECT_GT(first_keys.size(), 10U);
}

TEST(PromptTrials, NameTwoWithAnd) {
  const NeedleTrial trial = prompts().draw({.context_length = 4000, .depth = {}, .planted = 2, .asked = 2}, 0);
  const auto& first = trial.needles[static_cast<std::size_t>(trial.asked[0].needle)];
  const auto& second = trial.needles[static_cast<std::size_t>(trial.asked[1].needle)];
  EXPECT_NE(text_of(trial, 0, 4000).find("numbers for " + first.key + " and " + second.key + "?"), std::string::npos);
}

TEST(PromptTrials, AreAFunctionOfCellAndTrial) {
  const NeedleCell cell{.context_length = 3000, .depth = 0.5, .planted = 3, .asked = 2, .seed = 4};
  EXPECT_EQ(prompts().draw(cell, 1), prompts().draw(cell, 1));
  EXPECT_NE(prompts().draw(cell, 1).tokens, prompts().draw(cell, 2).tokens);
}

TEST(PromptTrials, SayWhatWouldFit) {
  expect_error(ErrorKind::bad_input, [] { (void)prompts().draw({.context_length = 100}, 0); },
               {"context length 100", "at least"});
  expect_error(ErrorKind::bad_input, [] { (void)prompts().draw({.context_length = 10'000'000}, 0); },
               {"evaluation part", "up to"});
  expect_error(ErrorKind::bad_input, [] { const PromptTrials refused(small_world().words, small_world().word_hay); },
               {"word tokenizer"});
}

}  // namespace
}  // namespace ringworld::test
