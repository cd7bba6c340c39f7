#include "tasks/vision/format.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "tokens/word_tokenizer.hpp"

namespace ringworld {
namespace {

constexpr std::string_view begin_text = "<vision>";
constexpr std::string_view end_text = "</vision>";
constexpr std::int64_t llama_pieces = 32000;

}  // namespace

VisionDelimiters vision_delimiters_of(const Tokenizer& tokenizer) {
  if (const auto* const words = dynamic_cast<const WordTokenizer*>(&tokenizer)) {
    return {.begin = {words->token(begin_text)}, .end = {words->token(end_text)}};
  }
  if (tokenizer.kind() == "sentencepiece" && tokenizer.vocab_size() == llama_pieces) {
    return {.begin = {529, 4924, 29958}, .end = {1533, 4924, 29958}};
  }
  return {.begin = tokenizer.encode(begin_text), .end = tokenizer.encode(end_text)};
}

VisionFormat::VisionFormat(const Tokenizer& tokenizer, const Vocabulary& vocabulary, std::int64_t codes_per_frame,
                           std::int64_t codebook_size)
    : tokenizer_(tokenizer),
      part_(vocabulary.part("vision")),
      delimiters_(vision_delimiters_of(tokenizer)),
      codes_per_frame_(codes_per_frame),
      codebook_size_(codebook_size) {
  require(codes_per_frame > 0 && codebook_size > 0, "a frame has codes of a codebook");
  require_input(part_.size >= codebook_size + markers,
                fmt::format("the vocabulary's part 'vision' has {} tokens; {} codes and {} markers need {}", part_.size,
                            codebook_size, markers, codebook_size + markers));
}

Token VisionFormat::token_of_code(Token code) const {
  require_input(
      code >= 0 && code < codebook_size_,
      fmt::format("code {} is not in the codebook of {}: it is of another frame tokenizer", code, codebook_size_));
  return token_of(code);
}

std::int64_t VisionFormat::vision_length(std::int64_t frames) const {
  return std::ssize(delimiters_.begin) + frames * (codes_per_frame_ + 1) + std::ssize(delimiters_.end);
}

void VisionFormat::append_bos(VisionDocument& document) const {
  if (const auto bos = tokenizer_.bos()) {
    append_tokens(document, {&*bos, 1}, false);
  }
}

void VisionFormat::append_eos(VisionDocument& document, bool is_target) const {
  if (const auto eos = tokenizer_.eos()) {
    append_tokens(document, {&*eos, 1}, is_target);
  }
}

void VisionFormat::append_text(VisionDocument& document, std::string_view text, bool is_target) const {
  append_tokens(document, tokenizer_.encode(text), is_target);
}

void VisionFormat::append_tokens(VisionDocument& document, std::span<const Token> tokens, bool is_target) const {
  document.tokens.insert(document.tokens.end(), tokens.begin(), tokens.end());
  document.is_target.insert(document.is_target.end(), tokens.size(), is_target);
}

void VisionFormat::append_vision(VisionDocument& document, std::span<const Token> codes, bool is_target) const {
  const auto count = std::ssize(codes);
  require_input(count > 0, "an image or video has no frame");
  require_input(count % codes_per_frame_ == 0,
                fmt::format("{} codes are no whole number of frames of {} codes", count, codes_per_frame_));
  append_tokens(document, delimiters_.begin, is_target);
  for (std::int64_t index = 0; index < count; ++index) {
    const Token code = token_of_code(codes[static_cast<std::size_t>(index)]);
    append_tokens(document, {&code, 1}, is_target);
    if ((index + 1) % codes_per_frame_ == 0) {
      const Token marker = index + 1 == count ? last_marker() : end_of_frame();
      append_tokens(document, {&marker, 1}, is_target);
    }
  }
  append_tokens(document, delimiters_.end, is_target);
}

Vocabulary vision_vocabulary(std::int64_t text_tokens, std::int64_t codebook_size) {
  return Vocabulary::parse(fmt::format("text:{},vision:{}", text_tokens, codebook_size + VisionFormat::markers));
}

}  // namespace ringworld
