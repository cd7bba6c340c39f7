#pragma once
/// @file  Attention by the plan of any schedule: the arena, the lanes and the blocks of its plans.

#include <memory>
#include <vector>

#include "comm/ring.hpp"
#include "device/buffer.hpp"
#include "kernels/tensor/tensor.hpp"
#include "sequence/block_passes.hpp"
#include "sequence/executor.hpp"
#include "sequence/last_blocks.hpp"
#include "sequence/pass_work.hpp"
#include "sequence/plan.hpp"
#include "sequence/sequence_attention.hpp"

namespace ringworld {

class PlannedAttention final : public SequenceAttention {
 public:
  /// As make_sequence_attention.
  PlannedAttention(const Communicator& ranks, const SequenceAttentionOptions& options);

  void set_deadline(double deadline) override { blocks_.set_deadline(deadline); }
  [[nodiscard]] bool has_missed_deadline() const override { return blocks_.has_missed_deadline(); }
  [[nodiscard]] SequenceTraffic traffic() const override { return {lanes_.traffic(false), lanes_.traffic(true)}; }
  [[nodiscard]] std::int64_t workspace_bytes() const override { return blocks_.kernel().workspace_bytes(); }
  [[nodiscard]] BlockAttention& kernel() override { return blocks_.kernel(); }

 private:
  void run_forward(const SequenceForward& pass, const PassOptions& options) override;
  void run_backward(const SequenceBackward& pass, const PassOptions& options) override;

  void begin_pass();
  void drive_communication();
  [[nodiscard]] WorkGround work_ground();
  void run(const PlanSteps& steps, std::byte* slots, PlanWork& work, const PassOptions& options);

  Communicator ranks_;
  std::int64_t tokens_;      // of this rank
  std::int64_t tokens_max_;  // of the rank that holds most
  Device& device_;
  PlanSteps forward_;
  PlanSteps backward_;
  LastBlocks last_blocks_;  // of this rank's queries, by the tasks of the forward plan
  BlockPasses blocks_;
  std::unique_ptr<TensorOps> tensors_;
  Buffer arena_;
  Lanes lanes_;  // below the arena: a transfer must not outlive its memory
  bool is_polling_;
};

}  // namespace ringworld
