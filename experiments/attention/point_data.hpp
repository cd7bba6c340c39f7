#pragma once
/// @file  One rank's tensors of a sweep point, with random inputs.

#include "device/buffer.hpp"
#include "experiments/common/sequence_inputs.hpp"
#include "ring/ring_attention.hpp"

namespace ringworld {

/// Inputs, outputs and the plan of one point, on one rank.
class PointData {
 public:
  /// Collective over `ring`. @throws Error(out_of_memory), possibly on some ranks only
  PointData(const Ring& ring, const RingAttentionOptions& options, std::uint64_t seed);

  [[nodiscard]] RingAttention& attention() { return attention_; }
  [[nodiscard]] const RingForward& forward() const { return forward_; }
  [[nodiscard]] const RingBackward& backward() const { return backward_; }
  [[nodiscard]] const SequenceInputs& inputs() const { return inputs_; }
  [[nodiscard]] const Ring& ring() const { return ring_; }
  [[nodiscard]] const RingAttentionOptions& options() const { return options_; }
  /// Where the tensors are.
  [[nodiscard]] DeviceKind memory() const { return device_of(options_.backend); }
  [[nodiscard]] bool has_backward() const { return options_.pass != AttentionPass::forward; }

 private:
  Ring ring_;
  RingAttentionOptions options_;
  SequenceInputs inputs_;
  RingAttention attention_;
  Buffer q_, k_, v_, out_, lse_, dout_, delta_, dq_, dk_, dv_;
  RingForward forward_;
  RingBackward backward_;
};

/// The tensors of a point as the host can read them: themselves, or copies of what lies on a GPU.
class HostTensors {
 public:
  explicit HostTensors(const PointData& data);

  [[nodiscard]] const RingForward& forward() const { return forward_; }
  [[nodiscard]] const RingBackward& backward() const { return backward_; }

 private:
  std::array<Buffer, 10> copies_;
  RingForward forward_;
  RingBackward backward_;
};

}  // namespace ringworld
