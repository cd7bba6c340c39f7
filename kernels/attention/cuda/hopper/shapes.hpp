#pragma once
/// @file  Tile sizes, pipeline depths and register shares of the Hopper kernels, by head size. All tuning is here.
///
/// A block is one producer warpgroup, which starts the copies, and `consumers` warpgroups, which own 64 rows of scores
/// each.

namespace ringworld::cuda::hopper {

inline constexpr int warpgroup_threads = 128;
inline constexpr int warpgroup_rows = 64;  ///< M of wgmma
inline constexpr unsigned all_lanes = 0xffffffff;

/// Forward pass: a block owns `queries` rows and walks over tiles of `keys`.
template <int head_size>
struct ForwardShape;

template <>
struct ForwardShape<64> {
  static constexpr int consumers = 3;
  static constexpr int keys = 128;
  static constexpr int stages = 2;
  static constexpr int producer_registers = 32;
  static constexpr int consumer_registers = 160;
};

template <>
struct ForwardShape<128> {
  static constexpr int consumers = 2;
  static constexpr int keys = 128;
  static constexpr int stages = 2;
  static constexpr int producer_registers = 40;
  static constexpr int consumer_registers = 232;
};

/// Backward pass: a block owns `keys` rows and walks over tiles of `queries`.
template <int head_size>
struct BackwardShape;

template <>
struct BackwardShape<64> {
  static constexpr int consumers = 2;
  static constexpr int queries = 128;
  static constexpr int stages = 2;
  static constexpr int producer_registers = 32;
  static constexpr int consumer_registers = 232;
};

template <>
struct BackwardShape<128> {
  static constexpr int consumers = 2;
  static constexpr int queries = 64;
  static constexpr int stages = 2;
  static constexpr int producer_registers = 24;
  static constexpr int consumer_registers = 240;
};

template <class Shape>
inline constexpr int block_threads = (1 + Shape::consumers) * warpgroup_threads;

/// Of a thread, when a block starts that asks for a multiprocessor of its own and for setmaxnreg: as many as all
/// threads can have, in steps of eight. Source: what ptxas reports.
template <class Shape>
inline constexpr int registers_at_launch = 65536 / block_threads<Shape> / 8 * 8;

/// Whether the block owns the registers that its warpgroups ask for. It gets no others while it runs, though the
/// multiprocessor may have some left: a consumer that asks for more waits for ever.
template <class Shape>
inline constexpr bool owns_its_shares = Shape::producer_registers + Shape::consumers * Shape::consumer_registers <=
                                        (1 + Shape::consumers) * registers_at_launch<Shape>;
static_assert(owns_its_shares<ForwardShape<64>> && owns_its_shares<ForwardShape<128>>);
static_assert(owns_its_shares<BackwardShape<64>> && owns_its_shares<BackwardShape<128>>);

template <class Shape>
inline constexpr int consumer_rows = Shape::consumers * warpgroup_rows;

/// Shared memory of a block, in bytes, at most.
inline constexpr int most_shared_bytes = 227 << 10;

/// Keys of a block up to which the forward pass takes a persistent grid though it has to leave multiprocessors to
/// transfers: with 4K keys it gains 6 to 10 % (predicted) and loses 6 % (8 of 132), with 16K it gains 2 to 3 %.
inline constexpr long long persistent_keys_beside_transfers = 4096;

/// Device memory whose reuse the order of the blocks aims at: a good part of the second-level cache (50 MiB on H100).
inline constexpr long long cache_budget_bytes = 32LL << 20;

}  // namespace ringworld::cuda::hopper
