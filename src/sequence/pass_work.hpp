#pragma once
/// @file  What a pass computes with the blocks of its plan, by what travels. One class a pass:
///
///                     keys travel        queries travel
///   forward pass      ForwardOfKeys      ForwardOfQueries      states follow queries
///   backward pass     BackwardOfKeys     BackwardOfQueries     gradients follow either

#include <vector>

#include "kernels/tensor/tensor.hpp"
#include "sequence/block_passes.hpp"
#include "sequence/executor.hpp"
#include "sequence/last_blocks.hpp"
#include "sequence/sequence_attention.hpp"

namespace ringworld {

/// Where the computation of a pass runs.
struct WorkGround {
  const AttentionProblem& problem;
  const Partition& partition;
  BlockPasses& blocks;
  TensorOps& tensors;
};

class ForwardOfKeys final : public PlanWork {
 public:
  /// @param state  of this rank's queries, reset
  /// @param last_blocks  of the tasks of `plan`
  ForwardOfKeys(const WorkGround& ground, const SequenceForward& pass, const AttentionState& state, const Plan& plan,
                const LastBlocks& last_blocks)
      : ground_(ground), pass_(pass), state_(state), plan_(plan), last_blocks_(last_blocks) {}

  void pack(const Piece& piece, std::byte* slot) override;
  void compute(const BlockTask& task, std::byte* operands, std::byte* sums) override;
  void fold(const Fold& fold, std::byte* arrived, std::byte* into) override;

 private:
  WorkGround ground_;
  const SequenceForward& pass_;
  AttentionState state_;
  const Plan& plan_;
  const LastBlocks& last_blocks_;
};

class ForwardOfQueries final : public PlanWork {
 public:
  /// @param state  of this rank's queries, reset. A plan that adds nothing to it (Plan::has_own_result) writes the
  ///               results of the pass in its last fold
  ForwardOfQueries(const WorkGround& ground, const SequenceForward& pass, const AttentionState& state, Cargo sums)
      : ground_(ground), pass_(pass), state_(state), sums_(sums) {}

  void pack(const Piece& piece, std::byte* slot) override;
  void compute(const BlockTask& task, std::byte* operands, std::byte* sums) override;
  void fold(const Fold& fold, std::byte* arrived, std::byte* into) override;

 private:
  WorkGround ground_;
  const SequenceForward& pass_;
  AttentionState state_;
  Cargo sums_;  // state, or partial
};

class BackwardOfKeys final : public PlanWork {
 public:
  BackwardOfKeys(const WorkGround& ground, const SequenceBackward& pass) : ground_(ground), pass_(pass) {}

  void pack(const Piece& piece, std::byte* slot) override;
  void compute(const BlockTask& task, std::byte* operands, std::byte* sums) override;
  void fold(const Fold& fold, std::byte* arrived, std::byte* into) override;

 private:
  WorkGround ground_;
  const SequenceBackward& pass_;
};

class BackwardOfQueries final : public PlanWork {
 public:
  /// @param head_groups  of the pieces that travel
  BackwardOfQueries(const WorkGround& ground, const SequenceBackward& pass, int head_groups);

  void pack(const Piece& piece, std::byte* slot) override;
  void compute(const BlockTask& task, std::byte* operands, std::byte* sums) override;
  void fold(const Fold& fold, std::byte* arrived, std::byte* into) override;
  /// After the last task.
  void end();

 private:
  WorkGround ground_;
  const SequenceBackward& pass_;
  std::vector<KeyGradients> gradients_;  // of each group of this rank's keys
};

}  // namespace ringworld
