#include "tokens/rank_tokenizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "core/error.hpp"
#include "core/text_file.hpp"
#include "tokens/bpe/byte_letters.hpp"
#include "tokens/bpe/pipeline_tokenizer.hpp"
#include "tokens/bpe/word_patterns.hpp"
#include "tokens/file_text.hpp"

namespace ringworld {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

/// The bytes that base64 stands for; nothing when it is no base64.
std::optional<std::string> from_base64(std::string_view text) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  if (text.empty() || text.size() % 4 != 0) {
    return std::nullopt;
  }
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  text.remove_suffix(padding);
  std::string bytes;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char letter : text) {
    const std::size_t value = letters.find(letter);
    if (value == std::string_view::npos) {
      return std::nullopt;
    }
    bits = (bits << 6U) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes += static_cast<char>((bits >> static_cast<unsigned>(count)) & 0xFFU);
    }
  }
  return bytes;
}

/// A line of tiktoken's, "<base64> <rank>".
std::optional<std::string> piece_of_line(std::string_view line, std::size_t rank) {
  const std::size_t space = std::min(line.find(' '), line.size());
  const std::string_view digits = line.substr(std::min(space + 1, line.size()));
  std::size_t found = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), found);
  if (failure != std::errc{} || end != digits.data() + digits.size() || found != rank) {
    return std::nullopt;
  }
  return from_base64(line.substr(0, space));
}

/// tiktoken merges the neighbours whose joined bytes have the lowest rank.
BytePairParts model_of(const std::vector<std::string>& pieces, std::int64_t first_token) {
  BytePairParts model;
  model.keeps_whole_words = true;
  for (std::size_t rank = 0; rank < pieces.size(); ++rank) {
    model.vocabulary.emplace(to_byte_letters(pieces[rank]),
                             static_cast<Token>(first_token + static_cast<std::int64_t>(rank)));
  }
  for (std::size_t rank = 0; rank < pieces.size(); ++rank) {
    add_merges_of(to_byte_letters(pieces[rank]), static_cast<std::int32_t>(rank), model);
  }
  return model;
}

/// @param special  the ids before `first_token`, or those after the last piece
PipelineParts parts_of(const std::vector<std::string>& pieces, std::int64_t first_token, std::string_view pattern,
                       const std::vector<std::string>& special) {
  PipelineParts parts{.kind = {}, .own_text = {}};
  parts.model = model_of(pieces, first_token);
  parts.splitters = {split_at(UnicodeRegex(pattern), SplitBehaviour::isolated, false), byte_letters()};
  parts.decoders = {decode_byte_level()};
  auto token = static_cast<Token>(first_token == 0 ? std::ssize(pieces) : 0);
  for (const std::string& content : special) {
    parts.added.push_back({.token = token++, .content = content, .is_special = true});
  }
  return parts;
}

std::vector<std::string> llama3_special() {
  std::vector<std::string> names{"<|begin_of_text|>", "<|end_of_text|>"};
  constexpr std::size_t count = 256;
  for (int reserved = 0; names.size() < count; ++reserved) {
    if (reserved == 4) {
      names.insert(names.end(), {"<|start_header_id|>", "<|end_header_id|>"});
    } else if (reserved == 5) {
      names.emplace_back("<|eot_id|>");
    }
    names.push_back(fmt::format("<|reserved_special_token_{}|>", reserved));
  }
  return names;
}

std::vector<std::string> tekken_special(const Json& file, std::int64_t count) {
  // Files from before `special_tokens` have these.
  std::vector<std::string> names{"<unk>",
                                 "<s>",
                                 "</s>",
                                 "[INST]",
                                 "[/INST]",
                                 "[AVAILABLE_TOOLS]",
                                 "[/AVAILABLE_TOOLS]",
                                 "[TOOL_RESULTS]",
                                 "[/TOOL_RESULTS]",
                                 "[TOOL_CALLS]",
                                 "[IMG]",
                                 "<pad>",
                                 "[IMG_BREAK]",
                                 "[IMG_END]"};
  if (file.contains("special_tokens") && !file.at("special_tokens").is_null()) {
    names.clear();
    for (const Json& entry : file.at("special_tokens")) {
      require_input(entry.at("rank").get<std::int64_t>() == std::ssize(names), "its special tokens leave a gap");
      names.push_back(entry.at("token_str").get<std::string>());
    }
  }
  for (std::int64_t token = std::ssize(names); token < count; ++token) {
    names.push_back(fmt::format("<SPECIAL_{}>", token));
  }
  names.resize(static_cast<std::size_t>(count));
  return names;
}

std::vector<std::string> pieces_of_tekken(const Json& file) {
  const auto all = file.at("config").at("default_vocab_size").get<std::int64_t>();
  const auto special = file.at("config").at("default_num_special_tokens").get<std::int64_t>();
  const Json& list = file.at("vocab");
  require_input(special >= 3 && all > special && all - special <= std::ssize(list),
                fmt::format("{} tokens with {} special ones do not fit a list of {}", all, special, list.size()));
  std::vector<std::string> pieces;
  for (std::int64_t rank = 0; rank < all - special; ++rank) {
    const Json& entry = list.at(static_cast<std::size_t>(rank));
    const auto bytes = from_base64(entry.at("token_bytes").get<std::string>());
    require_input(bytes.has_value() && entry.at("rank").get<std::int64_t>() == rank,
                  fmt::format("entry {} of its vocabulary is no piece of this rank", rank));
    pieces.push_back(*bytes);
  }
  return pieces;
}

}  // namespace

bool is_tiktoken(std::string_view content) {
  return piece_of_line(content.substr(0, content.find('\n')), 0).has_value();
}

std::unique_ptr<Tokenizer> read_tiktoken(const fs::path& file) {
  const std::string content = read_binary_file(file);
  std::vector<std::string> pieces;
  for (std::size_t begin = 0; begin < content.size();) {
    const std::size_t end = std::min(content.find('\n', begin), content.size());
    auto piece = piece_of_line(std::string_view(content).substr(begin, end - begin), pieces.size());
    require_input(piece.has_value(),
                  fmt::format("'{}' line {}: a file of tiktoken has a piece in base64 and the rank {} there",
                              file.string(), pieces.size() + 1, pieces.size()));
    pieces.push_back(std::move(*piece));
    begin = end + 1;
  }
  PipelineParts parts = parts_of(pieces, 0, llama3_pattern, llama3_special());
  parts.kind = "tiktoken";
  parts.own_text = file_text(parts.kind, content, file);
  parts.prefix = {static_cast<Token>(pieces.size())};
  parts.suffix = {static_cast<Token>(pieces.size() + 1)};
  return make_pipeline_tokenizer(std::move(parts));
}

std::unique_ptr<Tokenizer> read_tekken(const fs::path& file) {
  const std::string content = read_binary_file(file);
  try {
    const Json json = Json::parse(content);
    const std::vector<std::string> pieces = pieces_of_tekken(json);
    const auto special = json.at("config").at("default_num_special_tokens").get<std::int64_t>();
    PipelineParts parts =
        parts_of(pieces, special, json.at("config").at("pattern").get<std::string>(), tekken_special(json, special));
    parts.kind = "tekken";
    parts.own_text = file_text(parts.kind, content, file);
    parts.prefix = {1};
    parts.suffix = {2};
    return make_pipeline_tokenizer(std::move(parts));
  } catch (const Json::exception& error) {
    throw Error(ErrorKind::bad_input, fmt::format("'{}' is no tekken.json: {}", file.string(), error.what()));
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("'{}': {}", file.string(), error.what()), error.where());
  }
}

std::unique_ptr<Tokenizer> restore_tiktoken(std::string_view text) {
  return restore_from_file("tiktoken", text, read_tiktoken);
}

std::unique_ptr<Tokenizer> restore_tekken(std::string_view text) {
  return restore_from_file("tekken", text, read_tekken);
}

}  // namespace ringworld
