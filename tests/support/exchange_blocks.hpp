#pragma once
/// @file  Blocks for an all-to-all whose lengths depend on both ranks, and what must come of them.

#include <algorithm>
#include <cstddef>
#include <vector>

#include "comm/collectives.hpp"

namespace ringworld::test {

/// Bytes that depend on who gives them, on `mark` and on their place.
inline std::vector<std::byte> bytes_of(int rank, int mark, std::size_t length) {
  std::vector<std::byte> block(length);
  for (std::size_t index = 0; index < length; ++index) {
    block[index] = static_cast<std::byte>(31 * (rank + 1) + 7 * mark + static_cast<int>(index % 241));
  }
  return block;
}

/// One rank's two stretches of memory. Some blocks are empty, and behind each block is a gap.
class ExchangeBlocks {
 public:
  /// @param unit  what lengths grow by, in bytes
  ExchangeBlocks(int rank, int ranks, std::int64_t unit = 5) : rank_(rank), ranks_(ranks), unit_(unit) {}

  /// Bytes from a rank to another.
  [[nodiscard]] std::int64_t bytes(int from, int to) const { return (3 * from + 5 * to) % 4 * unit_; }

  [[nodiscard]] std::vector<std::byte> untouched() const {
    return std::vector<std::byte>(static_cast<std::size_t>(ranks_ * distance()), std::byte{0xee});
  }
  /// What this rank gives.
  [[nodiscard]] std::vector<std::byte> sent() const {
    std::vector<std::byte> memory = untouched();
    for (int to = 0; to < ranks_; ++to) {
      std::ranges::copy(block(rank_, to), memory.begin() + to * distance());
    }
    return memory;
  }
  /// What must be in memory that was `untouched` before.
  [[nodiscard]] std::vector<std::byte> received() const {
    std::vector<std::byte> memory = untouched();
    for (int from = 0; from < ranks_; ++from) {
      std::ranges::copy(block(from, rank_), memory.begin() + from * distance());
    }
    return memory;
  }

  [[nodiscard]] RankBlocks sent_view(std::span<std::byte> memory) const {
    RankBlocks view{.memory = memory.data(), .distance = distance(), .bytes = {}};
    for (int to = 0; to < ranks_; ++to) {
      view.bytes.push_back(bytes(rank_, to));
    }
    return view;
  }
  [[nodiscard]] RankBlocks received_view(std::span<std::byte> memory) const {
    RankBlocks view{.memory = memory.data(), .distance = distance(), .bytes = {}};
    for (int from = 0; from < ranks_; ++from) {
      view.bytes.push_back(bytes(from, rank_));
    }
    return view;
  }

 private:
  [[nodiscard]] std::int64_t distance() const { return 3 * unit_ + 2; }
  [[nodiscard]] std::vector<std::byte> block(int from, int to) const {
    return bytes_of(from, to, static_cast<std::size_t>(bytes(from, to)));
  }

  int rank_;
  int ranks_;
  std::int64_t unit_;
};

}  // namespace ringworld::test
