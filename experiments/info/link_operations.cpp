#include "experiments/info/link_operations.hpp"

#include <algorithm>
#include <cstring>

#include "core/activity.hpp"
#include "experiments/common/block_contents.hpp"
#include "probe/groups.hpp"

namespace ringworld {
namespace {

constexpr auto float_bytes = static_cast<std::int64_t>(sizeof(float));
constexpr std::int64_t stretch_bytes = std::int64_t{1} << 20;
constexpr std::uint64_t seed = 14;
constexpr int root = 0;

/// What the block that `from` gives to `to` is called. Blocks for everybody have no `to`.
std::uint64_t key_of(int from, int to = -1) {
  return scramble(scramble(seed + static_cast<std::uint64_t>(from)) ^ static_cast<std::uint64_t>(to + 1));
}

/// Whole numbers, so that sums are exact in any order; a rank that is missing or counted twice shows in every one.
float addend(int rank, std::int64_t index) {
  return static_cast<float>((1 + scramble(static_cast<std::uint64_t>(index)) % 255) *
                            (1 + static_cast<std::uint64_t>(rank) % 7));
}

float sum_of_addends(int ranks, std::int64_t index) {
  const std::int64_t weights = ranks / 7 * 28 + (ranks % 7) * (ranks % 7 + 1) / 2;
  return addend(0, index) * static_cast<float>(weights);
}

/// Calls `function(offset, length)` for the stretches of a block.
template <class Function>
void for_each_stretch(std::int64_t bytes, Function&& function) {
  for (std::int64_t offset = 0; offset < bytes; offset += stretch_bytes) {
    function(offset, std::min(stretch_bytes, bytes - offset));
  }
}

}  // namespace

std::vector<std::int64_t> link_lengths(std::int64_t most) {
  std::vector<std::int64_t> lengths;
  for (std::int64_t length = 8; length < most; length *= 4) {
    lengths.push_back(length);
  }
  lengths.push_back(most);
  return lengths;
}

LinkOperations::LinkOperations(const Communicator& ranks, DeviceKind memory, std::int64_t most_bytes)
    : ring_(ranks),
      memory_(memory),
      place_(device(memory)),
      up_(ranks, {.memory = memory}),
      down_(ranks, {.memory = memory}) {
  on_every_rank(ranks, [&] {
    // Short operations are rounded up to a float a rank, and two a hop.
    const std::int64_t bytes = std::max<std::int64_t>(most_bytes, 2 * float_bytes * ranks.size());
    outgoing_ = Buffer(bytes, memory);
    incoming_ = Buffer(bytes, memory);
    expected_.resize(stretch_bytes);
    found_.resize(stretch_bytes);
  });
  // So that every page is there.
  place_.fill_zero(outgoing_.data(), outgoing_.bytes(), place_.compute_stream());
  place_.fill_zero(incoming_.data(), incoming_.bytes(), place_.compute_stream());
}

std::int64_t LinkOperations::bytes_of(LinkOperation operation, std::int64_t wanted) const {
  const bool is_of_blocks = bus_factor(operation, ring_.size()) != 1;
  const std::int64_t unit = float_bytes * (operation == LinkOperation::two_way_hop ? 2
                                           : is_of_blocks                          ? ring_.size()
                                                                                   : 1);
  return std::max(unit, wanted / unit * unit);
}

RankBlocks LinkOperations::blocks(const Buffer& memory, std::int64_t bytes) const {
  const std::int64_t block = bytes / ring_.size();
  return {.memory = memory.as<std::byte>(),
          .distance = block,
          .bytes = std::vector<std::int64_t>(static_cast<std::size_t>(ring_.size()), block)};
}

void LinkOperations::run(LinkOperation operation, std::int64_t bytes) {
  const WaitPhase wait("waiting for {} bytes of other ranks", bytes);
  const Communicator& ranks = ring_.communicator();
  std::byte* const sent = outgoing_.as<std::byte>();
  std::byte* const received = incoming_.as<std::byte>();
  const auto size = static_cast<std::size_t>(bytes);
  switch (operation) {
    case LinkOperation::hop:
      up_.start(ring_.neighbours(), {sent, size}, {received, size});
      up_.wait();
      break;
    case LinkOperation::two_way_hop:
      up_.start(ring_.neighbours(), {sent, size / 2}, {received, size / 2});
      down_.start({.to = ring_.previous(), .from = ring_.next()}, {sent + size / 2, size / 2},
                  {received + size / 2, size / 2});
      up_.wait([this] { down_.test(); });
      down_.wait();
      break;
    case LinkOperation::all_gather:
      start_all_gather(ranks, blocks(outgoing_, bytes), memory_).wait();
      break;
    case LinkOperation::reduce_scatter:
      start_reduce_scatter(ranks, blocks(outgoing_, bytes), memory_).wait();
      break;
    case LinkOperation::all_to_all:
      start_all_to_all(ranks, blocks(outgoing_, bytes), blocks(incoming_, bytes), memory_).wait();
      break;
    case LinkOperation::broadcast:
      start_broadcast(ranks, {sent, size}, root, memory_).wait();
      break;
    case LinkOperation::reduce:
      start_reduce(ranks, {outgoing_.as<float>(), size / sizeof(float)}, root, Reduction::sum, memory_).wait();
      break;
  }
}

std::int64_t LinkOperations::count_wrong(LinkOperation operation, std::int64_t bytes) {
  fill(operation, bytes);
  run(operation, bytes);
  return ring_.communicator().all_reduce(look(operation, bytes), Reduction::sum);
}

void LinkOperations::copy(void* to, const void* from, std::int64_t bytes) {
  place_.copy(to, from, bytes, place_.compute_stream());
  place_.compute_stream().synchronize();
}

void LinkOperations::upload(std::byte* memory, std::int64_t bytes, std::uint64_t key) {
  for_each_stretch(bytes, [&](std::int64_t offset, std::int64_t length) {
    fill_contents(std::span(expected_).first(static_cast<std::size_t>(length)), key, offset);
    copy(memory + offset, expected_.data(), length);
  });
}

std::int64_t LinkOperations::compare(const std::byte* memory, std::int64_t bytes, std::uint64_t key) {
  std::int64_t wrong = 0;
  for_each_stretch(bytes, [&](std::int64_t offset, std::int64_t length) {
    const auto size = static_cast<std::size_t>(length);
    fill_contents(std::span(expected_).first(size), key, offset);
    copy(found_.data(), memory + offset, length);
    if (std::memcmp(expected_.data(), found_.data(), size) != 0) {
      for (std::size_t index = 0; index < size; ++index) {
        wrong += found_[index] != expected_[index] ? 1 : 0;
      }
    }
  });
  return wrong;
}

/// @param first  number of the first float in the whole vector
void LinkOperations::upload_floats(std::byte* memory, std::int64_t bytes, std::int64_t first) {
  std::vector<float> values(stretch_bytes / float_bytes);
  for_each_stretch(bytes, [&](std::int64_t offset, std::int64_t length) {
    for (std::int64_t index = 0; index < length / float_bytes; ++index) {
      values[static_cast<std::size_t>(index)] = addend(ring_.rank(), first + offset / float_bytes + index);
    }
    copy(memory + offset, values.data(), length);
  });
}

/// @param first  number of the first float in the whole vector
std::int64_t LinkOperations::compare_sums(const std::byte* memory, std::int64_t bytes, std::int64_t first) {
  std::vector<float> values(stretch_bytes / float_bytes);
  std::int64_t wrong = 0;
  for_each_stretch(bytes, [&](std::int64_t offset, std::int64_t length) {
    copy(values.data(), memory + offset, length);
    for (std::int64_t index = 0; index < length / float_bytes; ++index) {
      const float sum = sum_of_addends(ring_.size(), first + offset / float_bytes + index);
      wrong += values[static_cast<std::size_t>(index)] != sum ? 1 : 0;
    }
  });
  return wrong;
}

void LinkOperations::fill(LinkOperation operation, std::int64_t bytes) {
  std::byte* const memory = outgoing_.as<std::byte>();
  const int rank = ring_.rank();
  const RankBlocks parts = blocks(outgoing_, bytes);
  place_.fill_zero(incoming_.data(), incoming_.bytes(), place_.compute_stream());
  switch (operation) {
    case LinkOperation::hop:
      upload(memory, bytes, key_of(rank));
      break;
    case LinkOperation::two_way_hop:
      upload(memory, bytes / 2, key_of(rank, ring_.next()));
      upload(memory + bytes / 2, bytes / 2, key_of(rank, ring_.previous() + ring_.size()));
      break;
    case LinkOperation::all_gather:
      place_.fill_zero(memory, bytes, place_.compute_stream());
      upload(parts.block(rank), parts.distance, key_of(rank));
      break;
    case LinkOperation::all_to_all:
      for (int to = 0; to < ring_.size(); ++to) {
        upload(parts.block(to), parts.distance, key_of(rank, to));
      }
      break;
    case LinkOperation::broadcast:
      upload(memory, bytes, key_of(rank));
      break;
    case LinkOperation::reduce_scatter:
    case LinkOperation::reduce:
      upload_floats(memory, bytes, 0);
      break;
  }
}

std::int64_t LinkOperations::look(LinkOperation operation, std::int64_t bytes) {
  const std::byte* const sent = outgoing_.as<std::byte>();
  const std::byte* const received = incoming_.as<std::byte>();
  const int rank = ring_.rank();
  const RankBlocks parts = blocks(operation == LinkOperation::all_to_all ? incoming_ : outgoing_, bytes);
  std::int64_t wrong = 0;
  switch (operation) {
    case LinkOperation::hop:
      return compare(received, bytes, key_of(ring_.previous()));
    case LinkOperation::two_way_hop:
      return compare(received, bytes / 2, key_of(ring_.previous(), rank)) +
             compare(received + bytes / 2, bytes / 2, key_of(ring_.next(), rank + ring_.size()));
    case LinkOperation::all_gather:
    case LinkOperation::all_to_all:
      for (int from = 0; from < ring_.size(); ++from) {
        const bool is_for_everybody = operation == LinkOperation::all_gather;
        wrong += compare(parts.block(from), parts.distance, is_for_everybody ? key_of(from) : key_of(from, rank));
      }
      return wrong;
    case LinkOperation::broadcast:
      return compare(sent, bytes, key_of(root));
    case LinkOperation::reduce_scatter:
      return compare_sums(parts.block(rank), parts.distance, rank * parts.distance / float_bytes);
    case LinkOperation::reduce:
      return rank == root ? compare_sums(sent, bytes, 0) : 0;
  }
  return wrong;
}

}  // namespace ringworld
