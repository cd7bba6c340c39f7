/// @file  Tokenizers from files of ranks, GGUF files and folders, against what tiktoken, mistral-common, `tokenizers`
/// and SentencePiece give (tests/tokens/make_golden.py).

#include "tokens/read_tokenizer.hpp"

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

/// A folder that is gone with the object.
class Folder {
 public:
  Folder()
      : path_(fs::path(testing::TempDir()) /
              (testing::UnitTest::GetInstance()->current_test_info()->name() + std::string(".folder"))) {
    fs::create_directories(path_);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() { fs::remove_all(path_); }

  [[nodiscard]] const fs::path& path() const { return path_; }
  fs::path copy(const std::string& from, const std::string& to) const {
    fs::copy_file(golden / from, path_ / to);
    return path_ / to;
  }
  fs::path write(const std::string& name, const std::string& content) const {
    std::ofstream(path_ / name, std::ios::binary) << content;
    return path_ / name;
  }

 private:
  fs::path path_;
};

std::optional<Token> token_of(const Json& value) {
  return value.is_null() ? std::nullopt : std::optional(value.get<Token>());
}

class TokenizerFile : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    if (!has_unicode_text() && GetParam() != "sentencepiece.gguf") {
      GTEST_SKIP() << "this build has no regular expressions over Unicode";
    }
  }
};

TEST_P(TokenizerFile, GivesTheTokensOfItsOwnProgram) {
  const Json file = Json::parse(read_binary_file(golden / "expected.json"));
  const Json& expected = file.at("files").at(GetParam());
  const auto text = file.at("text").get<std::string>();
  const auto tokenizer = read_tokenizer(golden / GetParam());

  EXPECT_EQ(tokenizer->vocab_size(), expected.at("vocab_size"));
  EXPECT_EQ(tokenizer->bos(), token_of(expected.at("bos")));
  EXPECT_EQ(tokenizer->eos(), token_of(expected.at("eos")));
  const auto plain = tokenizer->encode(text);
  EXPECT_EQ(plain, expected.at("plain").get<std::vector<Token>>());
  EXPECT_EQ(tokenizer->decode(plain), expected.value("decoded", text));
  if (expected.contains("markup")) {
    EXPECT_EQ(tokenizer->encode_markup(text), expected.at("markup").get<std::vector<Token>>());
  }
  EXPECT_EQ(restore_tokenizer(tokenizer->to_text())->encode(text), plain);
}

INSTANTIATE_TEST_SUITE_P(Formats, TokenizerFile,
                         testing::Values("ranks.tiktoken", "tekken.json", "smollm.gguf", "sentencepiece.gguf"),
                         [](const auto& file) {
                           std::string name = file.param;
                           name.replace(name.find('.'), 1, "_");
                           return name;
                         });

TEST(ReadTokenizer, TakesTheFileOfAFolderThatSaysMost) {
  const Folder folder;
  folder.copy("sentencepiece.gguf", "weights.gguf");
  EXPECT_EQ(read_tokenizer(folder.path())->kind(), "gguf");
  EXPECT_EQ(read_tokenizer_of_weights(folder.path() / "weights.gguf")->kind(), "gguf");
  if (!has_unicode_text()) {
    GTEST_SKIP() << "this build has no regular expressions over Unicode";
  }
  folder.copy("ranks.tiktoken", "tokenizer.model");
  EXPECT_EQ(read_tokenizer(folder.path())->kind(), "tiktoken");
  folder.copy("llama3.json", "tokenizer.json");
  EXPECT_EQ(read_tokenizer(folder.path())->kind(), "tokenizer_json");
  folder.write("model.safetensors", "no weights");
  EXPECT_EQ(read_tokenizer_of_weights(folder.path() / "model.safetensors")->kind(), "tokenizer_json");
}

TEST(ReadTokenizer, TakesTheEndOfDocumentsFromTheConfigurationBesideIt) {
  if (!has_unicode_text()) {
    GTEST_SKIP() << "this build has no regular expressions over Unicode";
  }
  const Folder folder;
  const fs::path file = folder.copy("smollm.json", "tokenizer.json");
  EXPECT_EQ(read_tokenizer(file)->eos(), std::nullopt);
  folder.write("tokenizer_config.json", R"({"eos_token": {"content": "</s>"}})");
  EXPECT_EQ(read_tokenizer(file)->eos(), 2);
  folder.write("tokenizer_config.json", R"({"eos_token": "<|nowhere|>"})");
  expect_error(ErrorKind::bad_input, [&] { (void)read_tokenizer(file); }, {"tokenizer.json", "<|nowhere|>"});
}

TEST(ReadTokenizer, NamesAFileThatIsNoTokenizerAndWhatWouldBeRight) {
  const Folder folder;
  const auto refused = [](const fs::path& path, std::initializer_list<std::string_view> says) {
    expect_error(ErrorKind::bad_input, [&] { (void)read_tokenizer(path); }, says);
  };
  refused(folder.path(), {"NamesAFile", "holds no tokenizer", "tokenizer.json"});
  refused(folder.path() / "none.json", {"none.json", "no such file", "tokenizer.model"});
  refused(folder.write("a.json", "{"), {"a.json", "no tokenizer.json"});
  refused(folder.write("b.json", "{}"), {"b.json", "model"});
  refused(folder.write("c.gguf", "GGUF"), {"c.gguf", "truncated"});
  refused(folder.write("d.tiktoken", "QQ== 0\nQQ== 7\n"), {"d.tiktoken", "line 2"});
  std::string gguf = read_binary_file(golden / "smollm.gguf");
  gguf.replace(gguf.find("smollm"), 6, "other1");
  refused(folder.write("e.gguf", gguf), has_unicode_text()
                                            ? std::initializer_list<std::string_view>{"e.gguf", "other1", "llama-bpe"}
                                            : std::initializer_list<std::string_view>{"e.gguf"});
}

TEST(ReadTokenizer, SaysWhichFileChangedUnderACheckpoint) {
  const Folder folder;
  const fs::path file = folder.copy("sentencepiece.gguf", "model.gguf");
  const std::string text = read_tokenizer(file)->to_text();
  EXPECT_EQ(restore_tokenizer(text)->vocab_size(), 600);
  std::string content = read_binary_file(file);
  content[content.find("▁the") + 3] = 'T';
  folder.write("model.gguf", content);
  expect_error(ErrorKind::bad_input, [&] { (void)restore_tokenizer(text); }, {"model.gguf", "differs"});
}

}  // namespace
}  // namespace ringworld::test
