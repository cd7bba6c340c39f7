#include "data/text_file.hpp"

#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "core/error.hpp"

namespace ringworld {

std::string read_text_file(const std::filesystem::path& path) {
  std::error_code ignored;
  require_input(!std::filesystem::is_directory(path, ignored),
                fmt::format("'{}' is a directory; a file is needed", path.string()));
  std::ifstream stream(path, std::ios::binary);
  require_input(stream.is_open(), fmt::format("'{}' cannot be opened for reading", path.string()));
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  require_input(!stream.bad(), fmt::format("'{}' cannot be read to its end", path.string()));
  return text;
}

}  // namespace ringworld
