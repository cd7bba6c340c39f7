#pragma once
/// @file  A way to compute blocks of attention on an NVIDIA GPU. `cuda_attention.cpp` chooses among them, block by block:
///
///   hopper   bf16; wgmma and bulk tensor copies, compute capability 9.0
///   mma      bf16; mma.sync and cp.async, compute capability 8.0 and up
///   fp32     any mix of types and any strides; fp32 FMA on the CUDA cores
///
/// A block goes to the first path of this list that exists on the device and supports the block. Where a mask hides some of
/// its scores, the tensor cores must not meet a number that is not finite, or so large that products overflow: 0 times
/// that, in a sum over tokens, would reach those that do not see it. A flag in device memory says whether there is one
/// (rows.hpp). Both this path and fp32, which handles every number, are enqueued, and the flag lets one of them run.

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "kernels/attention/attention.hpp"
#include "kernels/attention/cuda/gate.cuh"

namespace ringworld::cuda {

/// The kernels of one path, for one head size and scale. All pointers are to device memory; nothing is read by the host.
class AttentionPath {
 public:
  virtual ~AttentionPath() = default;

  /// As RINGWORLD_CUDA_ATTENTION spells it.
  [[nodiscard]] virtual std::string_view name() const = 0;

  /// Whether the path has a kernel for these types, strides and alignments.
  /// @pre the shapes passed the checks of BlockAttention
  [[nodiscard]] virtual bool supports(const ForwardBlock& block, const AttentionState& state) const = 0;
  [[nodiscard]] virtual bool supports(const BackwardBlock& block, const BlockGradients& gradients) const = 0;

  /// Whether the kernel of `forward` writes results of this type, strides and alignment itself.
  [[nodiscard]] virtual bool can_write(const ActivationView& out) const = 0;

  /// Folds one block of keys and values into `state`. Enqueues on `stream`.
  /// @param out  null, or as BlockAttention::accumulate has it
  /// @pre `supports` and `can_write` said yes, and no extent is zero
  /// @throws Error when a launch fails
  virtual void forward(const ForwardBlock& block, const AttentionState& state, const ActivationView& out,
                       const Gate& gate, cudaStream_t stream) = 0;

  /// Whether `backward` heeds `overwrites_keys` for this block; else it only adds, and dk and dv are cleared before.
  [[nodiscard]] virtual bool can_overwrite_keys(const BackwardBlock& /*block*/) const { return false; }

  /// Adds this block's share to the gradients. Enqueues on `stream`; the rest as for `forward`.
  virtual void backward(const BackwardBlock& block, const BlockGradients& gradients, const Gate& gate,
                        cudaStream_t stream) = 0;

  /// Device memory that the path holds between calls, in bytes; does not depend on the number of tokens.
  [[nodiscard]] virtual std::int64_t workspace_bytes() const { return 0; }
};

/// Each is defined in its own folder.
/// @return null when the path was not built, or the present device or this head size is none of its own; never so for fp32
[[nodiscard]] std::unique_ptr<AttentionPath> make_hopper_path(const BlockAttentionOptions& options);
[[nodiscard]] std::unique_ptr<AttentionPath> make_mma_path(const BlockAttentionOptions& options);
[[nodiscard]] std::unique_ptr<AttentionPath> make_fp32_path(const BlockAttentionOptions& options);

}  // namespace ringworld::cuda
