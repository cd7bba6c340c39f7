#include "tokens/chat_template.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/expect_error.hpp"
#include "tokens/byte_tokenizer.hpp"

namespace ringworld::test {
namespace {

namespace fs = std::filesystem;

TEST(ChatTemplate, IsChosenByNameOrSpeltOut) {
  EXPECT_EQ(read_chat("chatml").suffix, "<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(read_chat("lwm").prefix, "You are a helpful assistant. USER: ");
  EXPECT_EQ(read_chat("Q: {}\\nA:"), (ChatTemplate{.name = "given", .prefix = "Q: ", .suffix = "\nA:"}));
  expect_error(ErrorKind::bad_input, [] { (void)read_chat("chatlm"); }, {"chatlm", "chatml"});
}

TEST(ChatTemplate, IsRecognisedByTheMarkupOfAJinjaTemplate) {
  const auto family = [](std::string_view jinja) {
    const auto found = recognise_chat(jinja);
    return found ? found->name : std::string();
  };
  EXPECT_EQ(family("{% if %}<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by"), "smollm2");
  EXPECT_EQ(family("{{ '<|im_start|>' + message['role'] }}"), "chatml");
  EXPECT_EQ(family("{{'<|im_start|>system\\nYou are a helpful assistant.<|im_end|>'}}"), "qwen2");
  EXPECT_EQ(family("'<|start_header_id|>' + message['role']"), "llama3");
  EXPECT_EQ(family("'<<SYS>>' [INST]"), "llama2");
  EXPECT_EQ(family("'[INST] ' + content"), "mistral");
  EXPECT_EQ(family("'USER: ' ' ASSISTANT:'"), "lwm");
  EXPECT_EQ(family("<start_of_turn>"), "");
}

TEST(ChatTemplate, ComesWithWeights) {
  const fs::path folder = fs::path(testing::TempDir()) / "chat_template_of_weights";
  fs::create_directories(folder);
  std::ofstream(folder / "model.safetensors") << "no weights";
  expect_error(ErrorKind::bad_input, [&] { (void)read_chat_of_weights(folder); },
               {"chat_template_of_weights", "no chat template"});
  std::ofstream(folder / "tokenizer_config.json")
      << R"({"chat_template": [{"name": "tools", "template": "[INST]"}, {"name": "default", "template": "<|im_start|>"}]})";
  EXPECT_EQ(read_chat_of_weights(folder).name, "chatml");
  EXPECT_EQ(read_chat_of_weights(folder / "model.safetensors").name, "chatml");
  std::ofstream(folder / "chat_template.jinja") << "<start_of_turn>";
  expect_error(ErrorKind::bad_input, [&] { (void)read_chat_of_weights(folder); }, {"no known family"});
  fs::remove_all(folder);
}

TEST(ChatTemplate, StandsAroundWordsAfterOneBeginOfDocument) {
  const ByteTokenizer bytes;
  EXPECT_EQ(bytes.decode(chat_prompt(bytes, read_chat("Q: {}\\nA:"), "why {}?")), "<bos>Q: why {}?\nA:");
}

}  // namespace
}  // namespace ringworld::test
