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
#include "sequence/plan.hpp"
#include "sequence/sequence_attention.hpp"

namespace ringworld {

class PlannedAttention final : public SequenceAttention {
 public:
  /// As make_sequence_attention.
  PlannedAttention(const Communicator& ranks, const SequenceAttentionOptions& options);

  void set_deadline(double deadline) override { blocks_.set_deadline(deadline); }
  [[nodiscard]] bool has_missed_deadline() const override { return blocks_.has_missed_deadline(); }
  [[nodiscard]] SequenceTraffic traffic() const override { return {operand_lane_.traffic(), sum_lane_.traffic()}; }
  [[nodiscard]] std::int64_t workspace_bytes() const override { return blocks_.kernel().workspace_bytes(); }

 private:
  void run_forward(const SequenceForward& pass, const PassOptions& options) override;
  void run_backward(const SequenceBackward& pass, const PassOptions& options) override;
  void backward_with_travelling_keys(const SequenceBackward& pass, const PassOptions& options);
  void backward_with_travelling_queries(const SequenceBackward& pass, const PassOptions& options);

  void begin_pass();
  void drive_communication();
  /// The rank's own slot of packed operands; null where nothing travels.
  [[nodiscard]] std::byte* packed(const Plan& plan, std::byte* slots) const;
  void run(const Plan& plan, std::byte* slots, const PlanWork& work, const PassOptions& options);
  [[nodiscard]] Slots operand_slots(const Plan& plan, std::byte* memory) const;
  [[nodiscard]] Slots sum_slots(const Plan& plan, std::byte* memory) const;

  Communicator ranks_;
  std::int64_t tokens_;      // of this rank
  std::int64_t tokens_max_;  // of the rank that holds most
  Device& device_;
  Plan forward_plan_;
  Plan backward_plan_;
  LastBlocks last_blocks_;  // of this rank's queries, by the tasks of the forward plan
  BlockPasses blocks_;
  std::unique_ptr<TensorOps> tensors_;
  Buffer arena_;
  Lane operand_lane_;  // below the arena: a transfer must not outlive its memory
  Lane sum_lane_;
  bool is_polling_;
};

}  // namespace ringworld
