#include "generation/prompt_style.hpp"

#include <fmt/format.h>

#include <optional>

namespace ringworld {
namespace {

void append_bos(std::vector<Token>& tokens, const Tokenizer& tokenizer) {
  if (const std::optional<Token> bos = tokenizer.bos()) {
    tokens.push_back(*bos);
  }
}

void append_text(std::vector<Token>& tokens, const Tokenizer& tokenizer, std::string_view text) {
  const std::vector<Token> encoded = tokenizer.encode(text);
  tokens.insert(tokens.end(), encoded.begin(), encoded.end());
}

/// <vision> and the frames that are there already, each with the marker that another frame follows.
void append_open_vision(std::vector<Token>& tokens, const VisionFormat& format, std::span<const Token> given) {
  if (given.empty()) {
    tokens.insert(tokens.end(), format.begin_of_vision().begin(), format.begin_of_vision().end());
    return;
  }
  VisionDocument whole;
  format.append_vision(whole, given, false);
  whole.tokens.resize(whole.tokens.size() - format.end_of_vision().size());
  whole.tokens.back() = format.end_of_frame();
  tokens.insert(tokens.end(), whole.tokens.begin(), whole.tokens.end());
}

}  // namespace

std::vector<Token> text_prompt(const Tokenizer& tokenizer, PromptStyle style, std::string_view text) {
  std::vector<Token> tokens;
  append_bos(tokens, tokenizer);
  append_text(tokens, tokenizer,
              style == PromptStyle::caption ? std::string(text)
                                            : fmt::format("You are a helpful assistant. USER: {} ASSISTANT:", text));
  return tokens;
}

std::vector<Token> question_prompt(const VisionFormat& format, PromptStyle style, std::span<const Token> codes,
                                   std::string_view question) {
  VisionDocument document;
  format.append_bos(document);
  if (style == PromptStyle::caption) {
    format.append_vision(document, codes, false);
    format.append_text(document, question, false);
  } else {
    format.append_text(document, fmt::format("You are a helpful assistant. USER: {}\n", question), false);
    format.append_vision(document, codes, false);
    format.append_text(document, " ASSISTANT:", false);
  }
  return document.tokens;
}

std::vector<Token> frame_prompt(const VisionFormat& format, PromptStyle style, const FramePrompt& prompt) {
  std::vector<Token> tokens;
  append_bos(tokens, format.tokenizer());
  append_text(tokens, format.tokenizer(),
              style == PromptStyle::caption
                  ? std::string(prompt.caption)
                  : fmt::format("You are a helpful assistant. USER: Generate {} of {} ASSISTANT:",
                                prompt.is_video ? "a video" : "an image", prompt.caption));
  append_open_vision(tokens, format, prompt.given);
  return tokens;
}

std::vector<Token> unconditional_prompt(const VisionFormat& format, std::span<const Token> given) {
  std::vector<Token> tokens;
  append_bos(tokens, format.tokenizer());
  append_open_vision(tokens, format, given);
  return tokens;
}

}  // namespace ringworld
