#include "experiments/common/block_contents.hpp"

#include <algorithm>
#include <cstring>

#include "probe/groups.hpp"

namespace ringworld {

void fill_contents(std::span<std::uint8_t> bytes, std::uint64_t key, std::int64_t offset) {
  for (std::size_t first = 0; first < bytes.size(); first += sizeof(std::uint64_t)) {
    const std::uint64_t word = scramble(key ^ (static_cast<std::uint64_t>(offset) + first));
    std::memcpy(bytes.data() + first, &word, std::min(sizeof(word), bytes.size() - first));
  }
}

}  // namespace ringworld
