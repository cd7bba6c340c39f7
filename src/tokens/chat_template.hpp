#pragma once
/// @file  The text that a model's chat has around what a user says.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokens/tokenizer.hpp"

namespace ringworld {

/// prefix, what the user says, suffix, the model's answer. Prefix and suffix may spell special tokens.
struct ChatTemplate {
  std::string name;  ///< of the family, or "given"
  std::string prefix;
  std::string suffix;

  bool operator==(const ChatTemplate&) const = default;
};

/// The template of a family: lwm, llama2, llama3, chatml, smollm2, qwen2 or mistral; or one that is spelt out, with {}
/// where the user's words stand and \n for a line feed: "Q: {}\nA:".
/// @throws ringworld::Error (bad_input) naming the nearest family.
[[nodiscard]] ChatTemplate read_chat(std::string_view name_or_text);

/// The family that a Jinja template of Hugging Face belongs to, by the markup in it.
[[nodiscard]] std::optional<ChatTemplate> recognise_chat(std::string_view jinja);

/// The template that comes with weights: chat_template.jinja or `chat_template` of tokenizer_config.json in their
/// folder, or tokenizer.chat_template of a GGUF file.
/// @throws ringworld::Error (bad_input) naming the weights when there is none, or of no known family.
[[nodiscard]] ChatTemplate read_chat_of_weights(const std::filesystem::path& weights);

/// Tokens of a text of the program's own, as prefix and suffix are, which may spell special tokens. At the start of a
/// document bos stands before them, unless they begin with it.
[[nodiscard]] std::vector<Token> begin_document(const Tokenizer& tokenizer, std::string_view markup);

/// A user's words between prefix and suffix. Special tokens that the words spell stay text.
[[nodiscard]] std::vector<Token> chat_prompt(const Tokenizer& tokenizer, const ChatTemplate& chat,
                                             std::string_view words);

}  // namespace ringworld
