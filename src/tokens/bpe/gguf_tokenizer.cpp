#include "tokens/gguf_tokenizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "tensors/gguf_header.hpp"
#include "tokens/bpe/pipeline_tokenizer.hpp"
#include "tokens/bpe/word_patterns.hpp"
#include "tokens/file_text.hpp"

namespace ringworld {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view mark = "\xe2\x96\x81";  // metaspace
constexpr std::string_view tokens_key = "tokenizer.ggml.tokens";
constexpr std::string_view types_key = "tokenizer.ggml.token_type";
constexpr std::string_view merges_key = "tokenizer.ggml.merges";
constexpr std::string_view scores_key = "tokenizer.ggml.scores";
constexpr std::array wanted_lists{tokens_key, types_key, merges_key, scores_key};

/// Values of token_type.
enum class TokenType : std::uint8_t { normal = 1, unknown, control, user_defined, unused, byte };

class GgufVocabulary {
 public:
  explicit GgufVocabulary(const GgufHeader& header) : header_(header) {
    require_input(!pieces().empty(), "it holds no tokenizer (tokenizer.ggml.tokens)");
    const std::size_t types = list(types_key).numbers.size();
    require_input(types == 0 || types == pieces().size(),
                  fmt::format("its {} has {} elements for {} tokens", types_key, types, pieces().size()));
  }

  [[nodiscard]] const std::vector<std::string>& pieces() const { return list(tokens_key).texts; }
  [[nodiscard]] const std::vector<std::string>& merges() const { return list(merges_key).texts; }
  [[nodiscard]] const std::vector<double>& scores() const { return list(scores_key).numbers; }
  [[nodiscard]] TokenType type(std::size_t token) const {
    const std::vector<double>& types = list(types_key).numbers;
    return types.empty() ? TokenType::normal : static_cast<TokenType>(types[token]);
  }
  [[nodiscard]] std::string text(std::string_view name) const {
    const auto found = header_.keys.find(fmt::format("tokenizer.ggml.{}", name));
    return found == header_.keys.end() ? std::string() : as_text(found->second).value_or("");
  }
  [[nodiscard]] bool flag(std::string_view name, bool otherwise) const {
    const auto found = header_.keys.find(fmt::format("tokenizer.ggml.{}", name));
    return found == header_.keys.end() ? otherwise : as_boolean(found->second).value_or(otherwise);
  }
  [[nodiscard]] std::optional<Token> token(std::string_view name) const {
    const auto found = header_.keys.find(fmt::format("tokenizer.ggml.{}", name));
    if (found == header_.keys.end()) {
      return std::nullopt;
    }
    const std::int64_t value = as_integer(found->second).value_or(-1);
    require_input(value >= 0 && value < std::ssize(pieces()),
                  fmt::format("its tokenizer.ggml.{} {} is none of {} tokens", name, value, pieces().size()));
    return static_cast<Token>(value);
  }

 private:
  [[nodiscard]] const GgufList& list(std::string_view key) const {
    static const GgufList none;
    const auto found = header_.lists.find(std::string(key));
    return found == header_.lists.end() ? none : found->second;
  }

  const GgufHeader& header_;
};

/// Pieces and the tokens that are found in a text before it is split.
PipelineParts read_pieces(const GgufVocabulary& vocabulary) {
  PipelineParts parts{.kind = "gguf", .own_text = {}};
  for (std::size_t index = 0; index < vocabulary.pieces().size(); ++index) {
    const std::string& piece = vocabulary.pieces()[index];
    const auto token = static_cast<Token>(index);
    const TokenType type = vocabulary.type(index);
    require_input(parts.model.vocabulary.emplace(piece, token).second,
                  fmt::format("its token {} is written as an earlier one", index));
    if (type == TokenType::control || type == TokenType::user_defined || type == TokenType::unknown) {
      parts.added.push_back({.token = token, .content = piece, .is_special = type != TokenType::user_defined});
    }
  }
  return parts;
}

PipelineParts byte_level(const GgufVocabulary& vocabulary) {
  PipelineParts parts = read_pieces(vocabulary);
  for (const std::string& merge : vocabulary.merges()) {
    const std::size_t space = merge.find(' ', 1);
    require_input(space != std::string::npos, fmt::format("its merge '{}' is not two pieces", merge));
    parts.model.merges.emplace_back(merge.substr(0, space), merge.substr(space + 1));
  }
  const std::string family = vocabulary.text("pre");
  const auto split_by = [&](std::string_view pattern) {
    parts.splitters.push_back(split_at(UnicodeRegex(pattern), SplitBehaviour::isolated, false));
  };
  if (family == "llama-bpe" || family == "llama3") {
    split_by(llama3_pattern);
    parts.model.keeps_whole_words = true;
  } else if (family == "qwen2") {
    parts.normaliser = [](const std::string& text) { return normalised(text, NormalForm::nfc); };
    split_by(qwen2_pattern);
  } else if (family == "smollm") {
    split_by(R"(\p{N})");
    split_by(gpt2_pattern);
  } else if (family == "gpt-2") {
    split_by(gpt2_pattern);
  } else {
    throw Error(
        ErrorKind::bad_input,
        fmt::format("its tokenizer is of family '{}' (tokenizer.ggml.pre), where llama-bpe, qwen2, smollm and gpt-2 "
                    "are read; put the model's tokenizer.json beside it",
                    family));
  }
  parts.splitters.push_back(byte_letters());
  parts.decoders = {decode_byte_level()};
  return parts;
}

/// The normal pieces.
std::vector<std::size_t> by_falling_score(const GgufVocabulary& vocabulary) {
  std::vector<std::size_t> tokens;
  for (std::size_t token = 0; token < vocabulary.pieces().size(); ++token) {
    if (vocabulary.type(token) == TokenType::normal) {
      tokens.push_back(token);
    }
  }
  std::ranges::stable_sort(tokens, std::greater<>{}, [&](std::size_t token) { return vocabulary.scores()[token]; });
  return tokens;
}

/// Spaces are metaspaces; merges are those that make the piece with the highest score.
PipelineParts sentence_pieces(const GgufVocabulary& vocabulary) {
  PipelineParts parts = read_pieces(vocabulary);
  require_input(vocabulary.scores().size() == vocabulary.pieces().size(), "its tokens have no scores");
  for (std::size_t token = 0; token < vocabulary.pieces().size(); ++token) {
    if (vocabulary.type(token) == TokenType::unknown) {
      parts.model.unknown = vocabulary.pieces()[token];
    }
  }
  std::int32_t rank = 0;
  double last = std::numeric_limits<double>::infinity();
  for (const std::size_t token : by_falling_score(vocabulary)) {
    // Of equal scores SentencePiece takes the leftmost pair, as merges of one rank have it.
    rank += vocabulary.scores()[token] < last ? 1 : 0;
    last = vocabulary.scores()[token];
    add_merges_of(vocabulary.pieces()[token], rank, parts.model);
  }
  parts.model.has_byte_fallback = true;
  parts.model.fuses_unknown = true;
  const bool has_prefix = vocabulary.flag("add_space_prefix", true);
  parts.normaliser = [has_prefix](const std::string& text) {
    return (has_prefix && !text.empty() ? std::string(mark) : std::string()) + replaced(text, " ", mark);
  };
  parts.decoders = {[](std::vector<std::string> pieces) {
                      for (std::string& piece : pieces) {
                        piece = replaced(piece, mark, " ");
                      }
                      return pieces;
                    },
                    decode_byte_fallback(), decode_fuse()};
  if (has_prefix) {
    parts.decoders.push_back(decode_strip(" ", 1, 0));
  }
  return parts;
}

PipelineParts read_parts(const GgufHeader& header) {
  const GgufVocabulary vocabulary(header);
  const std::string model = vocabulary.text("model");
  require_input(model == "gpt2" || model == "llama",
                fmt::format("its tokenizer is '{}' (tokenizer.ggml.model), where gpt2 and llama are read", model));
  PipelineParts parts = model == "gpt2" ? byte_level(vocabulary) : sentence_pieces(vocabulary);
  const bool has_bos = vocabulary.flag("add_bos_token", model == "llama");
  if (const auto bos = vocabulary.token("bos_token_id"); bos && has_bos) {
    parts.prefix = {*bos};
  }
  if (const auto eos = vocabulary.token("eos_token_id")) {
    parts.suffix = {*eos};
  }
  return parts;
}

}  // namespace

std::unique_ptr<Tokenizer> read_gguf_tokenizer(const fs::path& file) {
  try {
    std::ifstream stream(file, std::ios::binary);
    require_input(stream.good(), "it cannot be read");
    const GgufHeader header = parse_gguf_header(stream, static_cast<std::int64_t>(fs::file_size(file)), wanted_lists);
    PipelineParts parts = read_parts(header);
    std::string content(static_cast<std::size_t>(header.bytes), '\0');
    stream.clear();
    stream.seekg(0);
    require_input(stream.read(content.data(), header.bytes).good(), "it cannot be read");
    parts.own_text = file_text(parts.kind, content, file);
    return make_pipeline_tokenizer(std::move(parts));
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("'{}': {}", file.string(), error.what()), error.where());
  }
}

std::unique_ptr<Tokenizer> restore_gguf_tokenizer(std::string_view text) {
  return restore_from_file("gguf", text, read_gguf_tokenizer);
}

}  // namespace ringworld
