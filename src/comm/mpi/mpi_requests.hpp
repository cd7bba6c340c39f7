#pragma once
/// @file  Collectives of memory that MPI reads and writes itself, given to MPI at once. Included by src/comm/mpi only.

#include "comm/collectives_impl.hpp"

namespace ringworld {

/// A count for MPI.
/// @throws Error(bad_input) when MPI cannot count so far.
[[nodiscard]] int mpi_count(std::int64_t elements);

// A pending collective that an error unwinds on this rank alone does not wait for ranks that will never come.

/// @pre a shard has no more elements than MPI counts
[[nodiscard]] Pending post_all_gather(const Communicator& communicator, std::span<const float> mine,
                                      std::span<float> all);
[[nodiscard]] Pending post_all_gather(const Communicator& communicator, const RankBlocks& blocks,
                                      std::int64_t message_limit);
[[nodiscard]] Pending post_reduce_scatter(const Communicator& communicator, const RankBlocks& blocks,
                                          std::int64_t message_limit);
/// As messages, because ranks do not know how long the blocks of two others are, and so could not agree on the number of
/// calls of a collective.
/// @param messages  a communicator that has no other messages
[[nodiscard]] Pending post_all_to_all(const Communicator& messages, const RankBlocks& sent, const RankBlocks& received,
                                      std::int64_t message_limit);
[[nodiscard]] Pending post_broadcast(const Communicator& communicator, std::span<std::byte> block, int root,
                                     std::int64_t message_limit);
[[nodiscard]] Pending post_reduce(const Communicator& communicator, std::span<float> values, int root,
                                  Reduction reduction, std::int64_t message_limit);
[[nodiscard]] Pending post_all_reduce(const Communicator& communicator, std::span<float> values, Reduction reduction,
                                      std::int64_t message_limit);

}  // namespace ringworld
