#include "tokens/file_text.hpp"

#include <fmt/format.h>

#include "core/digest.hpp"
#include "core/error.hpp"

namespace ringworld {

namespace fs = std::filesystem;

std::string file_text(std::string_view kind, std::string_view content, const fs::path& file) {
  return fmt::format("{} {:016x} {}\n", kind, digest_of(content), fs::absolute(file).string());
}

std::unique_ptr<Tokenizer> restore_from_file(
    std::string_view kind, std::string_view text,
    const std::function<std::unique_ptr<Tokenizer>(const fs::path& file)>& read) {
  // Blanks stand after the kind and after the 16 digits.
  const std::size_t path_begin = kind.size() + 18;
  require_input(text.starts_with(kind) && text.size() > path_begin + 1 && text.ends_with('\n'),
                fmt::format("the text of a tokenizer in a file is '{} <digest> <path>'", kind));
  const fs::path path = text.substr(path_begin, text.size() - path_begin - 1);
  auto tokenizer = read(path);
  require_input(tokenizer->to_text() == text,
                fmt::format("'{}' is not the tokenizer that this was made with: its content differs", path.string()));
  return tokenizer;
}

}  // namespace ringworld
