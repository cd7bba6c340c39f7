#include "tokens/chat_template.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/error.hpp"
#include "core/spelling.hpp"
#include "core/text_file.hpp"
#include "tensors/gguf_header.hpp"

namespace ringworld {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

struct Family {
  std::string_view name;
  std::string_view prefix;
  std::string_view suffix;
  std::string_view mark;  ///< a Jinja template with this text is of this family
};

/// The first whose mark is found counts, so that families with markup in common stand in this order.
/// Sources: LWM's evaluators; the models' tokenizer_config.json; Meta's model cards of Llama 2 and 3.
constexpr std::array families{
    Family{.name = "smollm2",
           .prefix = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging "
                     "Face<|im_end|>\n<|im_start|>user\n",
           .suffix = "<|im_end|>\n<|im_start|>assistant\n",
           .mark = "named SmolLM"},
    Family{.name = "qwen2",
           .prefix = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n",
           .suffix = "<|im_end|>\n<|im_start|>assistant\n",
           .mark = "system\\nYou are a helpful assistant"},
    Family{.name = "chatml",
           .prefix = "<|im_start|>user\n",
           .suffix = "<|im_end|>\n<|im_start|>assistant\n",
           .mark = "<|im_start|>"},
    Family{.name = "llama3",
           .prefix = "<|start_header_id|>user<|end_header_id|>\n\n",
           .suffix = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
           .mark = "<|start_header_id|>"},
    Family{.name = "llama2", .prefix = "[INST] ", .suffix = " [/INST]", .mark = "<<SYS>>"},
    Family{.name = "mistral", .prefix = "[INST] ", .suffix = "[/INST]", .mark = "[INST]"},
    Family{.name = "lwm",
           .prefix = "You are a helpful assistant. USER: ",
           .suffix = " ASSISTANT: ",
           .mark = "ASSISTANT:"}};

ChatTemplate template_of(const Family& family) {
  return {.name = std::string(family.name), .prefix = std::string(family.prefix), .suffix = std::string(family.suffix)};
}

std::string with_line_feeds(std::string_view text) {
  std::string result(text);
  for (std::size_t place = result.find("\\n"); place != std::string::npos; place = result.find("\\n", place)) {
    result.replace(place, 2, "\n");
  }
  return result;
}

/// `chat_template` is a text, or a list of named ones of which "default" counts.
std::string template_in(const fs::path& configuration) {
  const Json file = Json::parse(read_binary_file(configuration), nullptr, false);
  require_input(file.is_object(), fmt::format("'{}' is no JSON object", configuration.string()));
  const auto found = file.find("chat_template");
  if (found == file.end()) {
    return {};
  }
  if (found->is_string()) {
    return found->get<std::string>();
  }
  for (const Json& entry : *found) {
    if (entry.is_object() && entry.value("name", "") == "default") {
      return entry.value("template", "");
    }
  }
  return {};
}

std::string template_in_gguf(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  try {
    const GgufHeader header = parse_gguf_header(stream, static_cast<std::int64_t>(fs::file_size(file)));
    const auto found = header.keys.find("tokenizer.chat_template");
    return found == header.keys.end() ? std::string() : as_text(found->second).value_or("");
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("'{}': {}", file.string(), error.what()), error.where());
  }
}

std::string template_beside(const fs::path& weights) {
  if (weights.extension() == ".gguf") {
    return template_in_gguf(weights);
  }
  const fs::path folder = fs::is_directory(weights) ? weights : weights.parent_path();
  if (fs::is_regular_file(folder / "chat_template.jinja")) {
    return read_binary_file(folder / "chat_template.jinja");
  }
  const fs::path configuration = folder / "tokenizer_config.json";
  return fs::is_regular_file(configuration) ? template_in(configuration) : std::string();
}

}  // namespace

ChatTemplate read_chat(std::string_view name_or_text) {
  const std::size_t place = name_or_text.find("{}");
  if (place != std::string_view::npos) {
    return {.name = "given",
            .prefix = with_line_feeds(name_or_text.substr(0, place)),
            .suffix = with_line_feeds(name_or_text.substr(place + 2))};
  }
  const auto* const found = std::ranges::find(families, name_or_text, &Family::name);
  if (found == families.end()) {
    std::array<std::string_view, families.size()> names;
    std::ranges::transform(families, names.begin(), &Family::name);
    throw_unknown_name("chat template", name_or_text, names);
  }
  return template_of(*found);
}

std::optional<ChatTemplate> recognise_chat(std::string_view jinja) {
  const auto* const found =
      std::ranges::find_if(families, [&](const Family& family) { return jinja.find(family.mark) != jinja.npos; });
  return found == families.end() ? std::nullopt : std::optional(template_of(*found));
}

ChatTemplate read_chat_of_weights(const fs::path& weights) {
  const std::string jinja = template_beside(weights);
  const std::optional<ChatTemplate> found = recognise_chat(jinja);
  require_input(
      found.has_value(),
      fmt::format("'{}' comes with {}; choose a family, or spell the template out with {{}} in it", weights.string(),
                  jinja.empty() ? "no chat template" : "a chat template of no known family"));
  return *found;
}

std::vector<Token> begin_document(const Tokenizer& tokenizer, std::string_view markup) {
  std::vector<Token> tokens = tokenizer.encode_markup(markup);
  const std::optional<Token> bos = tokenizer.bos();
  if (bos.has_value() && (tokens.empty() || tokens.front() != *bos)) {
    tokens.insert(tokens.begin(), *bos);
  }
  return tokens;
}

std::vector<Token> chat_prompt(const Tokenizer& tokenizer, const ChatTemplate& chat, std::string_view words) {
  std::vector<Token> tokens = begin_document(tokenizer, chat.prefix);
  const std::vector<Token> encoded = tokenizer.encode(words);
  tokens.insert(tokens.end(), encoded.begin(), encoded.end());
  const std::vector<Token> suffix = tokenizer.encode_markup(chat.suffix);
  tokens.insert(tokens.end(), suffix.begin(), suffix.end());
  return tokens;
}

}  // namespace ringworld
