/// @file  Tokenizers from tokenizer.json against what Hugging Face's `tokenizers` gives (tests/tokens/make_golden.py).

#include "tokens/tokenizer_json.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/text_file.hpp"
#include "support/expect_error.hpp"
#include "tokens/unicode_text.hpp"

namespace ringworld::test {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const fs::path golden = RINGWORLD_GOLDEN_TOKENS;

Json read_json(const fs::path& file) { return Json::parse(read_binary_file(file)); }

/// A file that is gone with the object.
class WrittenFile {
 public:
  explicit WrittenFile(const Json& content)
      : path_(fs::path(testing::TempDir()) /
              (testing::UnitTest::GetInstance()->current_test_info()->name() + std::string(".tokenizer.json"))) {
    std::ofstream(path_) << content.dump();
  }
  WrittenFile(const WrittenFile&) = delete;
  WrittenFile& operator=(const WrittenFile&) = delete;
  ~WrittenFile() { fs::remove(path_); }

  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

class GoldenTokenizer : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!has_unicode_text()) {
      GTEST_SKIP() << "this build has no regular expressions over Unicode";
    }
  }
};

TEST_P(GoldenTokenizer, GivesTheTokensOfHuggingFace) {
  const Json file = read_json(golden / "expected.json");
  const Json& expected = file.at("tokenizers").at(GetParam());
  const auto text = file.at("text").get<std::string>();
  const auto tokenizer = read_tokenizer_json(golden / (GetParam() + ".json"));

  EXPECT_EQ(tokenizer->vocab_size(), expected.at("vocab_size"));
  const auto plain = tokenizer->encode(text);
  EXPECT_EQ(plain, expected.at("plain").get<std::vector<Token>>());
  EXPECT_EQ(tokenizer->decode(plain), expected.at("decoded"));
  const auto markup = tokenizer->encode_markup(text);
  EXPECT_EQ(markup, expected.at("markup").get<std::vector<Token>>());
  EXPECT_NE(markup, plain) << "special tokens are found in markup only";
  EXPECT_EQ(tokenizer->decode(markup), expected.at("decoded_markup"));

  std::vector<Token> framed = tokenizer->encode("x");
  if (tokenizer->bos().has_value()) {
    framed.insert(framed.begin(), *tokenizer->bos());
  }
  if (tokenizer->eos().has_value()) {
    framed.push_back(*tokenizer->eos());
  }
  EXPECT_EQ(framed, expected.at("framed_x").get<std::vector<Token>>());
  EXPECT_TRUE(tokenizer->encode("").empty());
}

INSTANTIATE_TEST_SUITE_P(Families, GoldenTokenizer,
                         testing::Values("gpt2", "gpt2_prefix", "llama3", "qwen2", "smollm", "llama2", "metaspace",
                                         "gemma"),
                         [](const auto& family) { return family.param; });

/// A vocabulary over a few letters, without regular expressions, so that builds without ICU read it too.
Json tiny_file() {
  return Json::parse(R"({"added_tokens": [], "normalizer": null, "pre_tokenizer": null, "post_processor": null,
    "decoder": {"type": "Fuse"},
    "model": {"type": "BPE", "unk_token": "?", "fuse_unk": true,
              "vocab": {"?": 0, "a": 1, "b": 2, "ab": 3, "aba": 4, "ba": 5}, "merges": ["b a", "a b", "ab a"]}})");
}

TEST(TokenizerJson, MergesTheFirstPairOfTheListFirst) {
  const WrittenFile file(tiny_file());
  const auto tokenizer = read_tokenizer_json(file.path());
  EXPECT_EQ(tokenizer->encode("aba"), (std::vector<Token>{1, 5})) << "b a comes before a b";
  EXPECT_EQ(tokenizer->encode("abab"), (std::vector<Token>{1, 5, 2}));
  EXPECT_EQ(tokenizer->encode("xyaxb"), (std::vector<Token>{0, 1, 0, 2})) << "two unknown characters are one token";
}

TEST(TokenizerJson, MergesLongWordsAsItDoesShortOnes) {
  const WrittenFile file(tiny_file());
  const auto tokenizer = read_tokenizer_json(file.path());
  // "abb" repeats without a merge between its copies: b a would make one, so c stands between them.
  const std::string part = "abbaabab";
  std::vector<Token> expected;
  std::string text;
  for (int copy = 0; copy < 100; ++copy) {
    text += part + "c";
    const auto tokens = tokenizer->encode(part + "c");
    expected.insert(expected.end(), tokens.begin(), tokens.end());
  }
  EXPECT_EQ(tokenizer->encode(text), expected);
}

TEST(TokenizerJson, RestoresFromItsTextUnlessTheFileChanged) {
  const WrittenFile file(tiny_file());
  const std::string text = read_tokenizer_json(file.path())->to_text();
  EXPECT_EQ(restore_tokenizer(text)->encode("ab"), std::vector<Token>{3});
  Json changed = tiny_file();
  changed["model"]["merges"].erase(1);
  std::ofstream(file.path()) << changed.dump();
  expect_error(ErrorKind::bad_input, [&] { (void)restore_tokenizer(text); }, {file.path().string(), "differs"});
}

TEST(TokenizerJson, RefusesWhatItDoesNotKnowByName) {
  const auto refuses = [](const std::string& key, const Json& value, std::initializer_list<std::string_view> words) {
    Json content = tiny_file();
    content[Json::json_pointer(key)] = value;
    const WrittenFile file(content);
    expect_error(ErrorKind::bad_input, [&] { (void)read_tokenizer_json(file.path()); }, words);
    expect_error(ErrorKind::bad_input, [&] { (void)read_tokenizer_json(file.path()); }, {file.path().string()});
  };
  refuses("/normalizer", {{"type", "BertNormalizer"}}, {"normalizer", "BertNormalizer"});
  refuses("/pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", {{{"type", "BertPreTokenizer"}}}}},
          {"pre_tokenizer", "BertPreTokenizer"});
  refuses("/decoder", {{"type", "CTC"}}, {"decoder", "CTC"});
  refuses("/post_processor", {{"type", "RobertaProcessing"}}, {"post_processor", "RobertaProcessing"});
  refuses("/model/type", "Unigram", {"model", "Unigram"});
  refuses("/model/dropout", 0.1, {"dropout"});
  refuses("/model/end_of_word_suffix", "</w>", {"end_of_word_suffix"});
  refuses("/model/byte_fallback", true, {"<0x00>"});
  refuses("/model/unk_token", "!", {"!", "not in the vocabulary"});
  refuses("/model/merges", {"a ab"}, {"aab"});
  refuses("/model/merges", {"a"}, {"two pieces"});
  refuses("/model/vocab", 3, {"tokenizer.json"});
  refuses("/model/vocab/a", -1, {"-1"});
  refuses("/model/vocab/a", 1e12, {"1000000000000"});
  refuses("/added_tokens", {{{"id", 6}, {"content", "w"}, {"single_word", true}}}, {"single_word"});
}

TEST(TokenizerJson, RefusesAFileThatIsNoJson) {
  const fs::path file = fs::path(testing::TempDir()) / "no.tokenizer.json";
  std::ofstream(file) << "{\"model\": ";
  expect_error(ErrorKind::bad_input, [&] { (void)read_tokenizer_json(file); }, {file.string(), "tokenizer.json"});
  fs::remove(file);
}

TEST(TokenizerJson, TakesBytesThatAreNotUtf8AsReplacementCharacters) {
  if (!has_unicode_text()) {
    GTEST_SKIP() << "this build has no regular expressions over Unicode";
  }
  const auto tokenizer = read_tokenizer_json(golden / "gpt2.json");
  // As Python's bytes.decode("utf-8", "replace"): E2 82 is one start of a character, ED A0 are two bytes of none.
  for (const auto& [bytes, clean] :
       std::vector<std::pair<std::string, std::string>>{{"a\xff", "a\ufffd"},
                                                        {"\xe2\x82 b", "\ufffd b"},
                                                        {"\xed\xa0\x80", "\ufffd\ufffd\ufffd"},
                                                        {"\xf0\x9f\x98", "\ufffd"},
                                                        {"\xf0\x9f\x98\xf0\x9f\x98\x80", "\ufffd\U0001f600"},
                                                        {"\xf4\x90\xc0", "\ufffd\ufffd\ufffd"},
                                                        {"\xe0\xa0", "\ufffd"}}) {
    EXPECT_EQ(tokenizer->encode(bytes), tokenizer->encode(clean)) << clean;
  }
}

}  // namespace
}  // namespace ringworld::test
