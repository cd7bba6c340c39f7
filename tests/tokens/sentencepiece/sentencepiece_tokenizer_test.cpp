#include "tokens/sentencepiece_tokenizer.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sentencepiece_trainer.h>

#include "data/small_world.hpp"
#include "io/temporary_directory.hpp"
#include "support/expect_error.hpp"
#include "tasks/needle/prompt_trials.hpp"

namespace ringworld::test {
namespace {

/// A model in the manner of LLaMA's: BPE, digits apart, bytes for what is unknown, text left as it is.
class SentencepieceTokenizerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = std::make_unique<TemporaryDirectory>();
    std::string text =
        "The special magic number is: What are the special magic numbers for and?\n0 1 2 3 4 5 6 7 8 9\n";
    for (std::size_t document = 0; document < 8; ++document) {
      text += small_world().corpus.documents[document];
    }
    write_text(*directory_ / "text", text);
    const auto status = sentencepiece::SentencePieceTrainer::Train(fmt::format(
        "--input={} --model_prefix={} --vocab_size=500 --model_type=bpe --split_digits=true --byte_fallback=true "
        "--normalization_rule_name=identity --remove_extra_whitespaces=false --minloglevel=2",
        (*directory_ / "text").string(), (*directory_ / "tokenizer").string()));
    ASSERT_TRUE(status.ok()) << status.ToString();
  }
  static void TearDownTestSuite() { directory_.reset(); }

  static std::filesystem::path model() { return *directory_ / "tokenizer.model"; }

  static std::unique_ptr<TemporaryDirectory> directory_;
};
std::unique_ptr<TemporaryDirectory> SentencepieceTokenizerTest::directory_;

TEST_F(SentencepieceTokenizerTest, ReturnsTheTextItWasGiven) {
  const auto tokenizer = read_sentencepiece_tokenizer(model());
  EXPECT_TRUE(has_sentencepiece());
  EXPECT_EQ(tokenizer->vocab_size(), 500);
  EXPECT_EQ(tokenizer->bos(), 1);
  EXPECT_EQ(tokenizer->eos(), 2);
  const std::string text = "The special magic Paris number is: 1234567\nWhat? \xc3\xa9 <s>";
  const auto tokens = tokenizer->encode(text);
  EXPECT_LT(tokens.size(), text.size());
  EXPECT_EQ(tokenizer->decode(tokens), text);
  EXPECT_EQ(std::ranges::count(tokens, 1), 0) << "text gives no special token";
}

TEST_F(SentencepieceTokenizerTest, IsRestoredFromItsText) {
  const auto tokenizer = read_sentencepiece_tokenizer(model());
  const auto restored = restore_tokenizer(tokenizer->to_text());
  EXPECT_EQ(restored->encode("magic numbers"), tokenizer->encode("magic numbers"));
  EXPECT_EQ(restored->to_text(), tokenizer->to_text());
}

TEST_F(SentencepieceTokenizerTest, RefusesAFileThatIsNoModel) {
  const auto refuse = [](const std::filesystem::path& file, std::initializer_list<std::string_view> parts) {
    expect_error(ErrorKind::bad_input, [&] { (void)read_sentencepiece_tokenizer(file); }, parts);
  };
  write_text(*directory_ / "noise.model", "this is not a model");
  write_text(*directory_ / "empty.model", "");
  refuse(*directory_ / "noise.model", {"noise.model", "not a SentencePiece model"});
  refuse(*directory_ / "empty.model", {"empty.model", "not a SentencePiece model"});
  refuse(*directory_ / "missing.model", {"missing.model", "cannot be opened"});
}

TEST_F(SentencepieceTokenizerTest, RefusesAnotherFileThanTheOneItWasMadeWith) {
  const auto copy = *directory_ / "copy.model";
  std::filesystem::copy_file(model(), copy);
  const std::string text = read_sentencepiece_tokenizer(copy)->to_text();
  EXPECT_EQ(restore_tokenizer(text)->vocab_size(), 500);
  auto changed = text;
  changed[14] = changed[14] == '0' ? '1' : '0';
  expect_error(ErrorKind::bad_input, [&] { (void)restore_tokenizer(changed); }, {"copy.model", "differs"});
  std::filesystem::remove(copy);
  expect_error(ErrorKind::bad_input, [&] { (void)restore_tokenizer(text); }, {"copy.model", "cannot be opened"});
  expect_error(ErrorKind::bad_input, [] { (void)restore_tokenizer("sentencepiece x\n"); }, {"<checksum> <path>"});
}

TEST_F(SentencepieceTokenizerTest, CanAskLwmsQuestions) {
  const auto tokenizer = read_sentencepiece_tokenizer(model());
  const Haystack haystack(small_world().corpus, *tokenizer);
  const PromptTrials prompts(*tokenizer, haystack);
  for (std::int64_t number = 0; number < 20; ++number) {
    const NeedleTrial trial = prompts.draw({.context_length = 1024, .depth = 0.4, .planted = 3, .asked = 2}, number);
    ASSERT_EQ(trial.tokens.size(), 1024U);
    const auto& needle = trial.needles[static_cast<std::size_t>(trial.asked[0].needle)];
    EXPECT_LE(needle.depth, 0.4 + 0.001) << "a place is a whole token";
    EXPECT_GT(needle.depth, 0.2);
    const auto answer = std::span(trial.tokens)
                            .subspan(static_cast<std::size_t>(trial.asked[0].answer_begin),
                                     static_cast<std::size_t>(trial.asked[0].answer_length));
    EXPECT_EQ(tokenizer->decode(answer), needle.value);
  }
}

}  // namespace
}  // namespace ringworld::test
