#pragma once
/// @file  A piece: the part of a rank's block that one message moves, one slot holds or one task computes with.
///
///   zigzag block of rank r     early run             late run
///     whole                    |==================|  |==================|
///     lower, upper             |==lower==|==upper=|  |==lower==|==upper=|     halves of every run: each is balanced
///     early, late              |======early=======|  |=======late=======|     what a causal mask hides ends with a run

#include <cstdint>
#include <vector>

#include "kernels/attention/attention_problem.hpp"
#include "sequence/partition.hpp"
#include "sequence/visibility.hpp"

namespace ringworld {

/// In the place of a rank or of a slot.
inline constexpr int none = -1;

/// Which tokens of a block.
enum class Cut : std::uint8_t {
  whole,
  lower,  ///< the first half of every run, the middle token included
  upper,  ///< the second half of every run
  early,  ///< of a zigzag layout: the run in the first half of the sequence
  late,   ///< of a zigzag layout: the run in the second half
};

struct Piece {
  int origin = none;  ///< the rank whose tokens they are
  Cut cut = Cut::whole;
  int head_group = 0;   ///< which of `head_groups` equal groups of heads
  int head_groups = 1;  ///< 1: all heads

  friend bool operator==(const Piece&, const Piece&) = default;
};

/// The runs of a piece, with local tokens numbered from 0 in the piece.
[[nodiscard]] std::vector<TokenRun> runs_of(const Partition& partition, const Piece& piece);

/// Consecutive tokens of a rank, and where they lie in a packed piece.
struct PieceRange {
  std::int64_t token_local = 0;  ///< in the rank
  std::int64_t token_packed = 0;
  std::int64_t count = 0;
};
[[nodiscard]] std::vector<PieceRange> ranges_of(const Partition& partition, const Piece& piece);

[[nodiscard]] std::int64_t tokens_of(const Partition& partition, const Piece& piece);
/// Tokens that a piece of this cut may have at most, of a rank of `tokens` tokens.
[[nodiscard]] std::int64_t most_tokens(Cut cut, std::int64_t tokens);

/// The problem of the piece's heads.
/// @pre kv heads are divisible by the number of groups
[[nodiscard]] AttentionProblem problem_of(const AttentionProblem& problem, const Piece& piece);

/// The visible pairs of blocks between two pieces, in the numbering of the pieces.
[[nodiscard]] std::vector<BlockPair> visible_block_pairs(const Partition& partition, const Piece& queries,
                                                         const Piece& keys, bool is_causal);
/// (query, key) pairs among them.
[[nodiscard]] std::int64_t visible_pairs_between(const Partition& partition, const Piece& queries, const Piece& keys,
                                                 bool is_causal);

}  // namespace ringworld
