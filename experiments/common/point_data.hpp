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
#include "sequence/sequence_attention.hpp"

namespace ringworld {

/// The content of q, k, v and dout.
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
  /// Collective over `ranks`.
  /// @throws Error(out_of_memory), possibly on some ranks only; Error(bad_input) as `fill`
  PointData(const Communicator& ranks, const SequenceAttentionOptions& options, std::uint64_t seed,
            InputKind inputs = InputKind::random);

  /// Overwrites the inputs. @throws Error(bad_input) where the probe does not reach
  void fill(InputKind kind);
  /// Whether the last passes, on the inputs of the probe, gave what they had to. Collective over the ranks.
  [[nodiscard]] ProbeVerdict check_probe() const;
  /// The same of one pass alone.
  [[nodiscard]] ProbeVerdict check_probe_forward() const;
  [[nodiscard]] ProbeVerdict check_probe_backward() const;

  [[nodiscard]] SequenceAttention& attention() { return *attention_; }
  [[nodiscard]] const SequenceAttention& attention() const { return *attention_; }
  [[nodiscard]] const SequenceForward& forward() const { return forward_; }
  [[nodiscard]] const SequenceBackward& backward() const { return backward_; }
  [[nodiscard]] const Communicator& ranks() const { return ranks_; }
  [[nodiscard]] const SequenceAttentionOptions& options() const { return options_; }
  /// The kind of memory that holds the tensors.
  [[nodiscard]] DeviceKind memory() const { return device_of(options_.backend); }
  [[nodiscard]] bool has_backward() const { return options_.pass != AttentionPass::forward; }

 private:
  void fill(InputTensor tensor, InputKind kind, const ConstActivationView& values, Buffer& memory);
  [[nodiscard]] ProbeOptions probe_options() const;

  Communicator ranks_;
  SequenceAttentionOptions options_;
  std::uint64_t seed_;
  std::unique_ptr<SequenceAttention> attention_;
  Buffer q_, k_, v_, out_, maximum_, sum_, dout_, delta_, dq_, dk_, dv_;
  SequenceForward forward_;
  SequenceBackward backward_;
};

/// The tensors of a point as the host can read them: themselves, or copies of what lies on a GPU.
class HostTensors {
 public:
  explicit HostTensors(const PointData& data);

  [[nodiscard]] const SequenceForward& forward() const { return forward_; }
  [[nodiscard]] const SequenceBackward& backward() const { return backward_; }

 private:
  std::array<Buffer, 11> copies_;
  SequenceForward forward_;
  SequenceBackward backward_;
};

}  // namespace ringworld
