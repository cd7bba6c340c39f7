#pragma once
/// @file  The exchange of one group of heads: what is packed and sent before the attention inside, and after it, home.
///
///   start_operands     the caller's tensors  ->  front  ->  on their way to back
///   operands           back  ->  front, all tokens of this rank's heads, for the attention inside
///   results            back, where it writes
///   start_results      back  ->  front  ->  on their way to back
///   finish_results     back  ->  the caller's tensors
///
/// front and back are the halves of the memory of a group; U blocks fit into each.

#include <array>
#include <vector>

#include "comm/collectives.hpp"
#include "device/device.hpp"
#include "kernels/tensor/tensor.hpp"
#include "sequence/exchange_block.hpp"
#include "sequence/pass_options.hpp"
#include "sequence/traffic.hpp"

namespace ringworld {

/// What the groups of an exchange have in common.
struct ExchangeGround {
  Communicator neighbours;
  AttentionProblem problem;    ///< the caller's
  AttentionProblem exchanged;  ///< of one group
  std::int64_t groups;
  std::vector<int> nodes;            ///< of each neighbour
  std::vector<std::int64_t> tokens;  ///< of each neighbour
  std::vector<std::int64_t> begin;   ///< of each neighbour's tokens among those of all
  std::int64_t tokens_max;           ///< of the rank that holds most
  std::int64_t message_limit;
  Device& device;
  TensorOps& tensors;

  [[nodiscard]] int ulysses() const { return neighbours.size(); }
  [[nodiscard]] std::int64_t own_tokens() const { return tokens[static_cast<std::size_t>(neighbours.rank())]; }
};

class HeadGroupExchange {
 public:
  /// @param ground  must outlive this object
  /// @param memory  (2 halves, half_bytes each)
  HeadGroupExchange(const ExchangeGround& ground, std::byte* memory, std::int64_t half_bytes);

  /// Packs the caller's tensors for each neighbour's heads of this group, and sends them.
  void start_operands(ExchangeCargo cargo, std::int64_t group, const ConstExchangeBlock& own, PassMode mode,
                      SequenceTraffic& traffic);
  /// Waits for what was started, and unpacks it, neighbour after neighbour.
  [[nodiscard]] ExchangeBlock operands(ExchangeCargo cargo, PassMode mode);
  /// Where the attention inside writes.
  [[nodiscard]] ExchangeBlock results(ExchangeCargo cargo) const { return all_tokens(cargo, back_); }
  /// Packs results for each neighbour's tokens, and sends them.
  void start_results(ExchangeCargo cargo, PassMode mode, SequenceTraffic& traffic);
  /// Waits for what was started, and writes it into the caller's tensors. Without work (transfer_only) writes nothing.
  void finish_results(ExchangeCargo cargo, std::int64_t group, const ExchangeBlock& own, PassMode mode);

  /// Drives what is under way.
  void test() { pending_.test(); }

 private:
  /// The messages of one exchange, from one half of the memory to the other.
  struct Messages {
    RankBlocks sent;
    RankBlocks received;
  };

  [[nodiscard]] Messages messages_of(ExchangeCargo cargo) const;
  void send(ExchangeCargo cargo, PassMode mode, SequenceTraffic& traffic);
  void wait();
  /// Where operands are packed, and results are found: without messages, in the place of what would have come.
  [[nodiscard]] std::byte* packed_operands(PassMode mode) const;
  [[nodiscard]] std::byte* returned_results(PassMode mode) const;

  /// The message to or from a neighbour, in a half of the memory.
  [[nodiscard]] ExchangeBlock message(ExchangeCargo cargo, int member, std::int64_t tokens, std::byte* half) const;
  /// All tokens of the neighbours, of this rank's heads.
  [[nodiscard]] ExchangeBlock all_tokens(ExchangeCargo cargo, std::byte* half) const;
  /// A neighbour's heads of a group, among those of the caller.
  [[nodiscard]] HeadRange query_heads(int member, std::int64_t group) const;
  [[nodiscard]] HeadRange key_heads(int member, std::int64_t group) const;
  /// Adds the gradients of key heads that neighbours share to those in the first of their messages.
  void add_shared_gradients(std::byte* half);

  const ExchangeGround& ground_;
  std::byte* front_;                  // what is sent, and what is computed with
  std::byte* back_;                   // what is received, and what is computed
  std::array<Messages, 4> messages_;  // by cargo
  PendingCollective pending_;
};

}  // namespace ringworld
