#include "tokens/tokenizer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "data/small_world.hpp"
#include "support/expect_error.hpp"
#include "tasks/needle/city_names.hpp"
#include "tokens/byte_tokenizer.hpp"
#include "tokens/word_tokenizer.hpp"

namespace ringworld::test {
namespace {

const std::vector<std::string> tiny_text{"A dog, the Cat. What is the number?  The cat's 7 lives; the cat, THE dog"};

TEST(ByteTokenizer, ReturnsEveryByte) {
  const ByteTokenizer tokenizer;
  std::string text;
  for (int byte = 0; byte < 256; ++byte) {
    text += static_cast<char>(byte);
  }
  const auto tokens = tokenizer.encode(text);
  ASSERT_EQ(tokens.size(), 256U);
  EXPECT_EQ(tokens[200], 200);
  EXPECT_EQ(tokenizer.decode(tokens), text);
  EXPECT_EQ(restore_tokenizer(tokenizer.to_text())->kind(), "byte");
}

TEST(ByteTokenizer, RefusesTokensOutsideItsVocabulary) {
  const ByteTokenizer tokenizer;
  for (const Token token : {-1, 258}) {
    expect_error(ErrorKind::bad_input, [&] { (void)tokenizer.decode({&token, 1}); }, {std::to_string(token), "258"});
  }
}

TEST(WordTokenizer, KeepsWordsOfEveryScriptWhole) {
  EXPECT_EQ(
      split_words("Gr\u00fc\u00dfe, \u00dcBER na\u00efve\u2026 \u0421\u043b\u043e\u0432\u043e"),
      (std::vector<std::string>{"gr\u00fc\u00dfe", ",", "\u00fcber", "na\u00efve", "\u0441\u043b\u043e\u0432\u043e"}));
  EXPECT_EQ(split_words("\u2018it\u2019s\u2019 \u4eca\u65e5a"),
            (std::vector<std::string>{"it's", "\u4eca", "\u65e5", "a"}));
}

TEST(WordTokenizer, CountsTheBytesThatAreInNoWord) {
  EXPECT_EQ(dropped_share("two words, no more."), 0.0);
  EXPECT_EQ(dropped_share("ab 12\n"), 0.5);
  EXPECT_EQ(dropped_share("\xfc\u20ac"), 1.0) << "a byte that is not UTF-8, and a sign";
  EXPECT_EQ(dropped_share(" \n"), 0.0);
}

TEST(SplitWords, LowersLettersAndKeepsSigns) {
  EXPECT_EQ(split_words("Dog's end; WHY?! x-7y(z)\n"),
            (std::vector<std::string>{"dog's", "end", ";", "why", "?", "!", "x", "y", "z"}));
}

TEST(WordTokenizer, OrdersItsVocabularyBySpecialsFrequencyKeysValues) {
  const WordTokenizer tokenizer(tiny_text, {.frequent_words = 5, .keys = needle_keys(2)});
  // the (5 times), dog , cat (2), and the first of those that stand once. "the" has a token already.
  EXPECT_EQ(tokenizer.to_text(), "word 4 2\ndog\n,\ncat\na\nParis:\nLondon:\n");
  EXPECT_EQ(tokenizer.vocab_size(), 10 + 4 + 2 + 100);
  EXPECT_EQ(tokenizer.token("<unk>"), 0);
  EXPECT_EQ(tokenizer.token("<bos>"), 1);
  EXPECT_EQ(tokenizer.token("what"), 9);
  EXPECT_EQ(tokenizer.key(1), tokenizer.token("London:"));
  EXPECT_EQ(tokenizer.value(0), tokenizer.token("00"));
  EXPECT_EQ(tokenizer.value(99), tokenizer.token("99"));
  EXPECT_EQ(tokenizer.value(99), tokenizer.vocab_size() - 1);
  expect_error(ErrorKind::bad_input, [&] { (void)tokenizer.token("zebra"); }, {"zebra"});
}

TEST(WordTokenizer, EncodesUnknownWordsAsUnknown) {
  const WordTokenizer tokenizer(tiny_text, {.frequent_words = 5, .keys = needle_keys(2)});
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("The zebra, the DOG?")), "the <unk> , the dog ?");
}

TEST(WordTokenizer, ReturnsEveryOrdinaryToken) {
  const WordTokenizer& tokenizer = small_world().words;
  std::vector<Token> tokens(static_cast<std::size_t>(tokenizer.key(0) - 2));
  std::iota(tokens.begin(), tokens.end(), 2);
  EXPECT_EQ(tokenizer.encode(tokenizer.decode(tokens)), tokens);
}

TEST(WordTokenizer, NeverMakesANeedleOfText) {
  const WordTokenizer tokenizer(tiny_text, {.frequent_words = 5, .keys = needle_keys(2)});
  for (const Token token : tokenizer.encode("magic Paris: 42 17 . <bos> London: Paris 00")) {
    EXPECT_FALSE(tokenizer.is_key(token) || tokenizer.is_value(token) || token == tokenizer.bos());
  }
}

TEST(WordTokenizer, IsRestoredFromItsText) {
  const WordTokenizer& tokenizer = small_world().words;
  const auto restored = restore_tokenizer(tokenizer.to_text());
  EXPECT_EQ(restored->vocab_size(), tokenizer.vocab_size());
  std::vector<Token> all(static_cast<std::size_t>(tokenizer.vocab_size()));
  std::iota(all.begin(), all.end(), 0);
  EXPECT_EQ(restored->decode(all), tokenizer.decode(all));
  EXPECT_EQ(restored->encode(small_world().corpus.documents[0]), tokenizer.encode(small_world().corpus.documents[0]));
  EXPECT_EQ(restored->to_text(), tokenizer.to_text());
}

TEST(WordTokenizer, HasWordsAndMarkersThatATaskAsksFor) {
  const WordTokenizer tokenizer(
      tiny_text,
      {.frequent_words = 5, .words = {"seven", "dog", "what"}, .markers = {"<eos>", "<vision>"}, .has_values = false});
  // "what" is a template word, "dog" is frequent as well: each has one token.
  EXPECT_EQ(tokenizer.to_text(), "word 5 0 2 0\nseven\ndog\n,\ncat\na\n<eos>\n<vision>\n");
  EXPECT_EQ(tokenizer.vocab_size(), 10 + 5 + 2);
  EXPECT_EQ(tokenizer.eos(), tokenizer.token("<eos>"));
  EXPECT_EQ(tokenizer.encode("seven <eos>"), (std::vector<Token>{tokenizer.token("seven"), tokenizer.unknown()}));
  EXPECT_FALSE(tokenizer.is_value(tokenizer.token("<vision>")));
  const auto restored = restore_tokenizer(tokenizer.to_text());
  EXPECT_EQ(restored->to_text(), tokenizer.to_text());
  EXPECT_EQ(restored->eos(), tokenizer.eos());
  const auto make = [](const WordVocabularyOptions& options) { (void)WordTokenizer(tiny_text, options); };
  expect_error(ErrorKind::bad_input, [&] { make({.words = {"Seven"}}); }, {"'Seven' is not one word"});
  expect_error(ErrorKind::bad_input, [&] { make({.markers = {"eos"}}); }, {"marker 'eos'"});
  expect_error(ErrorKind::bad_input, [&] { make({.markers = {"<bos>"}}); }, {"'<bos>' twice"});
}

TEST(WordTokenizer, RefusesTextThatIsNotItsOwn) {
  const auto restore = [](const char* text) { (void)restore_tokenizer(text); };
  expect_error(ErrorKind::bad_input, [&] { restore(""); }, {"tokenizer_json, tiktoken, tekken or gguf"});
  expect_error(ErrorKind::bad_input, [&] { restore("llama 3\n"); }, {"llama"});
  expect_error(ErrorKind::bad_input, [&] { restore("word x\n"); }, {"two counts"});
  expect_error(ErrorKind::bad_input, [&] { restore("word 2 1\ndog\n"); }, {"too early"});
  expect_error(ErrorKind::bad_input, [&] { restore("word 1 1\ndog\nParis:\nmore\n"); }, {"more lines"});
  expect_error(ErrorKind::bad_input, [&] { restore("word 1 1\nthe\nParis:\n"); }, {"'the' twice"});
}

TEST(WordTokenizer, RefusesMoreKeysThanThereAreCities) {
  expect_error(ErrorKind::bad_input, [] { const WordTokenizer refused(tiny_text, {.keys = needle_keys(1000)}); },
               {"1000", std::to_string(city_names.size())});
  const std::vector<std::string> no_words{"123"};
  expect_error(ErrorKind::bad_input, [&] { const WordTokenizer refused(no_words, {}); }, {"no word"});
}

TEST(CityNames, AreDistinctSingleWords) {
  EXPECT_GE(city_names.size(), 128U);
  EXPECT_EQ(std::set(city_names.begin(), city_names.end()).size(), city_names.size());
  for (const auto name : city_names) {
    EXPECT_TRUE(std::ranges::all_of(name, [](char letter) { return std::isalpha(letter) != 0; })) << name;
  }
}

}  // namespace
}  // namespace ringworld::test
