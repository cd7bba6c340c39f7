#include "experiments/common/content_digest.hpp"

#include <fmt/format.h>

#include <fstream>
#include <iterator>

#include "core/digest.hpp"
#include "core/error.hpp"

namespace ringworld {

std::string content_digest(std::span<const std::string> texts) {
  Digest digest;
  for (const std::string& text : texts) {
    digest.add(static_cast<std::int64_t>(text.size()));
    digest.add(text);
  }
  return fmt::format("{:016x}", digest.value());
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  require_input(std::filesystem::is_regular_file(path) && stream.good(),
                fmt::format("{}: no such file, or it cannot be read", path.string()));
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace ringworld
