#pragma once
/// @file  The transfers between ranks that `ringworld info --links` measures: those that attention's schedules are made
/// of, on memory of one device, with contents that can be checked.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "comm/collectives.hpp"
#include "comm/ring.hpp"
#include "core/enumerators.hpp"
#include "device/buffer.hpp"

namespace ringworld {

enum class LinkOperation : std::uint8_t {
  hop,          ///< each rank sends `bytes` to the next
  two_way_hop,  ///< each rank sends half of `bytes` to the next and half to the previous one, at the same time
  all_gather,   ///< the gathered blocks have `bytes` together
  reduce_scatter,
  all_to_all,  ///< the blocks that a rank gives have `bytes` together
  broadcast,
  reduce,
};

template <>
struct Enumerators<LinkOperation> {
  static constexpr std::string_view what = "operation";
  static constexpr std::array<std::string_view, 7> names{"hop",        "two_way_hop", "all_gather", "reduce_scatter",
                                                         "all_to_all", "broadcast",   "reduce"};
};

inline constexpr std::array all_link_operations{
    LinkOperation::hop,        LinkOperation::two_way_hop, LinkOperation::all_gather, LinkOperation::reduce_scatter,
    LinkOperation::all_to_all, LinkOperation::broadcast,   LinkOperation::reduce};

/// Bus bandwidth / algorithm bandwidth: the share of `bytes` that must cross the link of the busiest rank.
/// Source: NVIDIA, nccl-tests, doc/PERFORMANCE.md, section "Bandwidth".
[[nodiscard]] constexpr double bus_factor(LinkOperation operation, int ranks) {
  switch (operation) {
    case LinkOperation::all_gather:
    case LinkOperation::reduce_scatter:
    case LinkOperation::all_to_all:
      return static_cast<double>(ranks - 1) / ranks;
    default:
      return 1;
  }
}

/// The lengths to measure: powers of four times 8 bytes, and `most` as the last.
[[nodiscard]] std::vector<std::int64_t> link_lengths(std::int64_t most);

/// Memory for all operations between the ranks of a communicator, and what carries them.
class LinkOperations {
 public:
  /// Takes twice `most_bytes`. Collective over `ranks`.
  LinkOperations(const Communicator& ranks, DeviceKind memory, std::int64_t most_bytes);

  /// What an operation of about `wanted` bytes moves: equal blocks of whole floats.
  [[nodiscard]] std::int64_t bytes_of(LinkOperation operation, std::int64_t wanted) const;

  /// Starts and ends it; of a GPU, enqueues it on the compute stream as far as its transport can. Collective.
  void run(LinkOperation operation, std::int64_t bytes);

  /// Fills the memory, runs the operation once and looks at what it brought. Collective.
  /// @return bytes (of reductions: floats) that are wrong, over all ranks
  [[nodiscard]] std::int64_t count_wrong(LinkOperation operation, std::int64_t bytes);

  /// Blocks until the compute stream has ended what was run.
  void synchronize() { place_.compute_stream().synchronize(); }

 private:
  [[nodiscard]] RankBlocks blocks(const Buffer& memory, std::int64_t bytes) const;
  void fill(LinkOperation operation, std::int64_t bytes);
  [[nodiscard]] std::int64_t look(LinkOperation operation, std::int64_t bytes);
  /// Bytes of this rank's memory that are not what `key` names.
  [[nodiscard]] std::int64_t compare(const std::byte* memory, std::int64_t bytes, std::uint64_t key);
  void upload(std::byte* memory, std::int64_t bytes, std::uint64_t key);
  void upload_floats(std::byte* memory, std::int64_t bytes, std::int64_t first);
  [[nodiscard]] std::int64_t compare_sums(const std::byte* memory, std::int64_t bytes, std::int64_t first);
  void copy(void* to, const void* from, std::int64_t bytes);

  Ring ring_;
  DeviceKind memory_;
  Device& place_;
  Shift up_;
  Shift down_;
  Buffer outgoing_;
  Buffer incoming_;
  std::vector<std::uint8_t> expected_;  // a stretch of a block at a time
  std::vector<std::uint8_t> found_;
};

}  // namespace ringworld
