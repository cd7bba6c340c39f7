#pragma once
/// @file  What is done once a row, before and after the blocks. Each reads and writes its tensors once.

#include <cuda_runtime_api.h>

#include "kernels/attention/attention.hpp"
#include "kernels/attention/cuda/gate.cuh"

namespace ringworld::cuda {

/// The state of queries that have seen no key. Enqueues on `stream`, as all of these.
void reset(const AttentionState& state, cudaStream_t stream);

/// The state of two sets of keys from the states of each, into one of them.
void merge(const AttentionState& from, const AttentionState& into, cudaStream_t stream);

/// A state made relative to another maximum; rows that have seen no key become sum 0 and output 0.
void rescale(const TensorView<const float, 3>& maximum, const AttentionState& state, cudaStream_t stream);

/// out = output / sum; 0 where no key was seen.
void finalize(const AttentionState& state, const ActivationView& out, cudaStream_t stream);

/// delta = sum over D of out * dout.
void output_dot_gradient(const ConstActivationView& out, const ConstActivationView& dout,
                         const TensorView<float, 3>& delta, cudaStream_t stream);

/// Zeros in a (B, T, H, D) tensor, where the gate is open.
void clear(const TensorView<float, 4>& tensor, const Gate& gate, cudaStream_t stream);

/// Sets the flag to 1 when what is summed over tokens holds a number that 0 may not be multiplied with: NaN, infinity, or
/// one of 2^56 and beyond, whose products overflow. Else to 0.
void find_unsafe(const ForwardBlock& block, int* flag, cudaStream_t stream);
void find_unsafe(const BackwardBlock& block, int* flag, cudaStream_t stream);

}  // namespace ringworld::cuda
