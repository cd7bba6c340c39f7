#include "experiments/check/link_check.hpp"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "device/buffer.hpp"
#include "experiments/common/block_contents.hpp"
#include "probe/groups.hpp"

namespace ringworld {
namespace {

/// The bytes that `origin` starts round `round` with, whoever asks.
void fill_block(std::span<std::uint8_t> block, std::uint64_t seed, std::int64_t origin, std::size_t round) {
  fill_contents(block, scramble(scramble(seed) ^ static_cast<std::uint64_t>(origin)) ^ scramble(round));
}

}  // namespace

LinkVerdict check_link(const Ring& ring, std::int64_t bytes, DeviceKind memory, std::uint64_t seed) {
  Shift shift(ring.communicator(), {.memory = memory});
  Device& there = device(memory);
  Buffer current;
  Buffer incoming;
  on_every_rank(ring.communicator(), [&] {
    current = Buffer(bytes, memory);
    incoming = Buffer(bytes, memory);
  });
  std::int64_t wrong = 0;
  std::int64_t looked_at = 0;
  std::int64_t first_hop = -1;
  // One byte, a length that no word divides, and all.
  const std::array<std::int64_t, 3> lengths{1, std::min<std::int64_t>(bytes, 4097), bytes};
  std::vector<std::uint8_t> expected;
  std::vector<std::uint8_t> received;
  for (std::size_t round = 0; round < lengths.size(); ++round) {
    const auto size = static_cast<std::size_t>(lengths[round]);
    expected.resize(size);
    received.resize(size);
    fill_block(expected, seed, ring.rank(), round);
    there.copy(current.data(), expected.data(), lengths[round], there.compute_stream());
    there.compute_stream().synchronize();
    for (int hop = 1; hop <= ring.size(); ++hop) {  // the last brings a rank's own block home
      shift.start(ring.neighbours(), {current.as<std::byte>(), size}, {incoming.as<std::byte>(), size});
      shift.wait();
      there.copy(received.data(), incoming.data(), lengths[round], there.compute_stream());
      there.compute_stream().synchronize();
      fill_block(expected, seed, ring.origin_after(hop), round);
      std::int64_t differing = 0;
      for (std::size_t i = 0; i < size; ++i) {
        differing += received[i] == expected[i] ? 0 : 1;
      }
      looked_at += lengths[round];
      wrong += differing;
      first_hop = differing > 0 && first_hop < 0 ? hop : first_hop;
      current.swap(incoming);
    }
  }
  LinkVerdict verdict{.bytes = ring.communicator().all_reduce(looked_at, Reduction::sum),
                      .wrong_bytes = ring.communicator().all_reduce(wrong, Reduction::sum)};
  const std::vector<std::int64_t> hops = ring.communicator().all_gather(first_hop);
  const auto found = std::ranges::find_if(hops, [](std::int64_t hop) { return hop > 0; });
  if (found != hops.end()) {
    verdict.first_receiver = found - hops.begin();
    verdict.first_hop = *found;
  }
  return verdict;
}

}  // namespace ringworld
