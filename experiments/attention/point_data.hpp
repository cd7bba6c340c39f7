#pragma once
/// @file  One rank's tensors of a sweep point, with their inputs.

#include <array>
#include <cstdint>
#include <string_view>

#include "core/enumerators.hpp"
#include "device/buffer.hpp"
#include "experiments/common/sequence_inputs.hpp"
#include "probe/probe.hpp"
#include "probe/verdict.hpp"
#include "ring/ring_attention.hpp"

namespace ringworld {

/// What q, k, v and dout hold.
enum class InputKind : std::uint8_t {
  random,  ///< standard normal numbers (SequenceInputs)
  probe,   ///< what has a known answer (Probe)
};

template <>
struct Enumerators<InputKind> {
  static constexpr std::string_view what = "kind of inputs";
  static constexpr std::array<std::string_view, 2> names{"random", "probe"};
};

/// Inputs, outputs and the plan of one point, on one rank.
class PointData {
 public:
  /// Collective over `ring`.
  /// @throws Error(out_of_memory), possibly on some ranks only; Error(bad_input) as `fill`
  PointData(const Ring& ring, const RingAttentionOptions& options, std::uint64_t seed,
            InputKind inputs = InputKind::random);

  /// Overwrites the inputs. @throws Error(bad_input) where the probe does not reach
  void fill(InputKind kind);
  /// Whether the last passes, on the inputs of the probe, gave what they had to. Collective over the ring.
  [[nodiscard]] ProbeVerdict check_probe() const;
  /// The same of one pass alone.
  [[nodiscard]] ProbeVerdict check_probe_forward() const;
  [[nodiscard]] ProbeVerdict check_probe_backward() const;

  [[nodiscard]] RingAttention& attention() { return attention_; }
  [[nodiscard]] const RingForward& forward() const { return forward_; }
  [[nodiscard]] const RingBackward& backward() const { return backward_; }
  [[nodiscard]] const Ring& ring() const { return ring_; }
  [[nodiscard]] const RingAttentionOptions& options() const { return options_; }
  /// Where the tensors are.
  [[nodiscard]] DeviceKind memory() const { return device_of(options_.backend); }
  [[nodiscard]] bool has_backward() const { return options_.pass != AttentionPass::forward; }

 private:
  void fill(InputTensor tensor, InputKind kind, const ConstActivationView& values, Buffer& memory);
  [[nodiscard]] ProbeOptions probe_options() const;

  Ring ring_;
  RingAttentionOptions options_;
  std::uint64_t seed_;
  RingAttention attention_;
  Buffer q_, k_, v_, out_, maximum_, sum_, dout_, delta_, dq_, dk_, dv_;
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
  std::array<Buffer, 11> copies_;
  RingForward forward_;
  RingBackward backward_;
};

}  // namespace ringworld
