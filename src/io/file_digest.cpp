#include "io/file_digest.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <vector>

#include "core/digest.hpp"

namespace ringworld {
namespace {

constexpr std::int64_t block_bytes = std::int64_t{1} << 20;
constexpr std::int64_t sampled_blocks = whole_digest_bytes / block_bytes;

}  // namespace

std::optional<FileIdentity> identity_of(const std::filesystem::path& path) {
  struct stat file{};
  if (::stat(path.c_str(), &file) != 0 || !S_ISREG(file.st_mode)) {
    return std::nullopt;
  }
  return FileIdentity{.device = file.st_dev, .inode = file.st_ino, .bytes = file.st_size};
}

std::optional<std::uint64_t> digest_of_file(const std::filesystem::path& path) {
  const auto identity = identity_of(path);
  std::ifstream file(path, std::ios::binary);
  if (!identity.has_value() || !file.is_open()) {
    return std::nullopt;
  }
  const std::int64_t bytes = identity->bytes;
  const bool is_whole = bytes <= whole_digest_bytes;
  const std::int64_t blocks = is_whole ? (bytes + block_bytes - 1) / block_bytes : sampled_blocks;
  Digest digest;
  digest.add(bytes);
  std::vector<char> block(static_cast<std::size_t>(std::min(bytes, block_bytes)));
  for (std::int64_t index = 0; index < blocks; ++index) {
    const std::int64_t begin =
        is_whole ? index * block_bytes
                 : static_cast<std::int64_t>(static_cast<double>(bytes - block_bytes) * static_cast<double>(index) /
                                             static_cast<double>(blocks - 1));
    const std::int64_t count = std::min(block_bytes, bytes - begin);
    file.seekg(begin);
    file.read(block.data(), count);
    if (!file.good()) {
      return std::nullopt;
    }
    digest.add(std::string_view(block.data(), static_cast<std::size_t>(count)));
  }
  return digest.value();
}

}  // namespace ringworld
