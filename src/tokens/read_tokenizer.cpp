#include "tokens/read_tokenizer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/text_file.hpp"
#include "tensors/gguf_source.hpp"
#include "tokens/gguf_tokenizer.hpp"
#include "tokens/rank_tokenizer.hpp"
#include "tokens/sentencepiece_tokenizer.hpp"
#include "tokens/tokenizer_json.hpp"

namespace ringworld {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view what_is_right =
    "a tokenizer is tokenizer.json, tekken.json, a SentencePiece model (tokenizer.model), a .tiktoken file of ranks, a "
    "GGUF file, or a folder with one of them";

/// The only file of a folder with this extension.
std::optional<fs::path> only_file(const fs::path& folder, std::string_view extension) {
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (entry.path().extension() == extension) {
      found.push_back(entry.path());
    }
  }
  return found.size() == 1 ? std::optional(found.front()) : std::nullopt;
}

std::optional<fs::path> file_in(const fs::path& folder) {
  for (const char* const name : {"tokenizer.json", "tekken.json", "tokenizer.model"}) {
    if (fs::is_regular_file(folder / name)) {
      return folder / name;
    }
  }
  const std::optional<fs::path> ranks = only_file(folder, ".tiktoken");
  return ranks.has_value() ? ranks : only_file(folder, ".gguf");
}

/// Whether a file with this content is what Tokenizer::to_text() gave.
bool is_own_text(std::string_view content) {
  constexpr std::string_view utf8_mark = "\xef\xbb\xbf";
  content.remove_prefix(content.starts_with(utf8_mark) ? utf8_mark.size() : 0);
  const std::string_view kind = content.substr(0, content.find_first_of(" \r\n"));
  constexpr std::array<std::string_view, 7> kinds{"byte",     "word",   "sentencepiece", "tokenizer_json",
                                                  "tiktoken", "tekken", "gguf"};
  const bool is_wide = content.starts_with("\xff\xfe") || content.starts_with("\xfe\xff");  // UTF-16 or UTF-32
  return is_wide || std::ranges::find(kinds, kind) != kinds.end();
}

std::unique_ptr<Tokenizer> read_own_text(const fs::path& file, std::string_view content) {
  const std::string name = fmt::format("tokenizer '{}'", file.string());
  const std::string text = plain_text(content, name);
  try {
    return restore_tokenizer(text);
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("{}: {}", name, error.what()), error.where());
  }
}

std::unique_ptr<Tokenizer> read_file(const fs::path& file) {
  if (is_gguf(file)) {
    return read_gguf_tokenizer(file);
  }
  if (file.extension() == ".json") {
    return file.filename().string().starts_with("tekken") ? read_tekken(file) : read_tokenizer_json(file);
  }
  const std::string content = read_binary_file(file);
  if (is_own_text(content)) {
    return read_own_text(file, content);
  }
  return file.extension() == ".tiktoken" || is_tiktoken(content) ? read_tiktoken(file)
                                                                 : read_sentencepiece_tokenizer(file);
}

}  // namespace

std::unique_ptr<Tokenizer> read_tokenizer(const fs::path& path) {
  if (fs::is_directory(path)) {
    const std::optional<fs::path> file = file_in(path);
    require_input(file.has_value(), fmt::format("'{}' holds no tokenizer: {}", path.string(), what_is_right));
    return read_file(*file);
  }
  require_input(fs::is_regular_file(path),
                fmt::format("tokenizer '{}': no such file; {}", path.string(), what_is_right));
  return read_file(path);
}

std::string file_of_tokenizer(const fs::path& path) {
  return fs::is_directory(path) ? file_in(path).value_or(path).string() : path.string();
}

std::unique_ptr<Tokenizer> read_tokenizer_of_weights(const fs::path& weights) {
  if (fs::is_directory(weights) || is_gguf(weights)) {
    return read_tokenizer(weights);
  }
  const fs::path folder = weights.has_parent_path() ? weights.parent_path() : fs::path(".");
  require_input(file_in(folder).has_value(),
                fmt::format("'{}' holds no tokenizer, nor is one beside it: {}", weights.string(), what_is_right));
  return read_tokenizer(folder);
}

}  // namespace ringworld
