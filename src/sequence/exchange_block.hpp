#pragma once
/// @file  What an exchange of heads sends (head_exchange.hpp): its messages, their bytes, and the memory for them.
/// Shapes: B batch, T tokens of the message, h / hkv heads of one rank after the exchange, D head size.
///
/// A block is one message, and in the same order of tensors all that a rank has of the tokens of its U neighbours:
///
///   message of neighbour 0   [ q | k | v | ids ]      T tokens of it, heads of this rank
///   message of neighbour 1   [ q | k | v | ids ]
///   all of them              [ q     | k     | v     | ids   ]    neighbour after neighbour in each tensor

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "core/tensor_view.hpp"
#include "kernels/attention/attention_problem.hpp"
#include "kernels/tensor/tensor.hpp"
#include "sequence/partition.hpp"
#include "sequence/schedule.hpp"
#include "sequence/traffic.hpp"

namespace ringworld {

/// Groups of heads that are exchanged one after another (n); 1 without an exchange.
[[nodiscard]] int exchange_groups(const Schedule& schedule);

/// The problem that an exchange among `ulysses` neighbours leaves to each ring of P/U ranks: H/U query heads, and Hkv/U
/// key heads or the one that U/Hkv ranks share, in the type that they travelled in. In n groups of heads, that of one of
/// them: H/(U n) and Hkv/(U n).
[[nodiscard]] AttentionProblem exchanged_problem(const AttentionProblem& problem, std::int64_t ulysses,
                                                 std::int64_t groups = 1);
[[nodiscard]] AttentionProblem exchanged_problem(const AttentionProblem& problem, const Schedule& schedule);

/// The schedule that each of those rings runs, and how tokens lie on one.
[[nodiscard]] Schedule schedule_of_rings(Schedule schedule);
[[nodiscard]] Partition partition_of_rings(const Partition& partition);

/// Heads `first <= h < first + count`.
struct HeadRange {
  std::int64_t first = 0;
  std::int64_t count = 0;
};

/// The heads of the `member`-th of U neighbours; in n groups, those of it that group `g` exchanges are of the part
/// `member` n + g of U n.
[[nodiscard]] HeadRange query_heads_of(const AttentionProblem& problem, std::int64_t ulysses, std::int64_t member);
[[nodiscard]] HeadRange key_heads_of(const AttentionProblem& problem, std::int64_t ulysses, std::int64_t member);

/// How many neighbours, one after another, have the same key heads: 1 where there are heads for all.
[[nodiscard]] std::int64_t sharers_of_key_heads(const AttentionProblem& problem, std::int64_t ulysses);

enum class ExchangeCargo : std::uint8_t {
  forward_operands,   ///< q; k, v; ids
  results,            ///< out; maximum, sum
  backward_operands,  ///< q, dO; k, v; maximum, sum, delta; ids
  gradients,          ///< dq; dk, dv, in fp32
};

/// The tensors of a block; null ones are not part of it.
template <bool IsConst>
struct BasicExchangeBlock {
  template <class T>
  using Element = std::conditional_t<IsConst, const T, T>;

  std::array<BasicActivationView<IsConst>, 2> of_queries;  ///< (B, T, h, D)
  std::array<BasicActivationView<IsConst>, 2> of_keys;     ///< (B, T, hkv, D)
  std::array<TensorView<Element<float>, 3>, 3> of_rows;    ///< (B, h, T)
  TensorView<Element<std::int32_t>, 2> document_ids;       ///< (B, T)

  [[nodiscard]] BasicExchangeBlock<true> as_const() const {
    return {.of_queries = {{of_queries[0], of_queries[1]}},
            .of_keys = {{of_keys[0], of_keys[1]}},
            .of_rows = {{of_rows[0], of_rows[1], of_rows[2]}},
            .document_ids = document_ids};
  }
  /// The tokens `begin <= t < begin + count`.
  [[nodiscard]] BasicExchangeBlock token_range(std::int64_t begin, std::int64_t count) const;
  /// The heads of one rank.
  [[nodiscard]] BasicExchangeBlock head_range(const HeadRange& query_heads, const HeadRange& key_heads) const;
};

using ExchangeBlock = BasicExchangeBlock<false>;
using ConstExchangeBlock = BasicExchangeBlock<true>;

/// A dense block in memory.
/// @param problem  the exchanged one
[[nodiscard]] ExchangeBlock view_exchange_block(const AttentionProblem& problem, ExchangeCargo cargo,
                                                std::int64_t tokens, std::byte* memory);
[[nodiscard]] std::int64_t exchange_block_bytes(const AttentionProblem& problem, ExchangeCargo cargo,
                                                std::int64_t tokens);

/// Copies every tensor of a block, and converts.
void copy_block(TensorOps& tensors, const ConstExchangeBlock& from, const ExchangeBlock& to);

/// Bytes from the message of one neighbour to that of the next; messages begin aligned.
/// @param tokens  of the rank that holds most (T)
[[nodiscard]] std::int64_t exchange_distance(const AttentionProblem& problem, ExchangeCargo cargo, std::int64_t tokens);

/// What a rank sends to its neighbours in a pass, counted for each of them; the schedule of the rings not included.
/// @param partition  of all ranks, whose ulysses() is U     @param pass  forward, backward or both
/// @param nodes  of each rank (comm/nodes.hpp); empty: bytes between nodes are not counted     @param groups  of heads
[[nodiscard]] SequenceTraffic exchange_traffic(const AttentionProblem& problem, const Partition& partition,
                                               AttentionPass pass, std::int64_t rank,
                                               const std::vector<int>& nodes = {}, std::int64_t groups = 1);

/// How many groups of heads have memory at the same time: one that is computed, the next one on its way here and the one
/// before on its way home.
[[nodiscard]] constexpr std::int64_t groups_in_memory(std::int64_t groups) { return groups < 3 ? groups : 3; }

/// The memory of the exchange of one group: room twice for the longest messages to all U neighbours. What is computed
/// with lies in the half that was sent from before, or that was received into.
/// @param problem  of all ranks     @param tokens  of the rank that holds most (T)
[[nodiscard]] std::int64_t exchange_group_bytes(const AttentionProblem& problem, std::int64_t ulysses,
                                                AttentionPass pass, std::int64_t tokens, std::int64_t groups = 1);
/// That of all groups that have memory at the same time.
[[nodiscard]] std::int64_t exchange_arena_bytes(const AttentionProblem& problem, std::int64_t ulysses,
                                                AttentionPass pass, std::int64_t tokens, std::int64_t groups = 1);

}  // namespace ringworld
