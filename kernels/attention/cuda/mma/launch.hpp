#pragma once
/// @file  Entry points of the mma kernels: host code on one side, code for the device on the other.

#include <cuda_runtime_api.h>

#include "kernels/attention/attention.hpp"
#include "kernels/attention/cuda/gate.cuh"

namespace ringworld::cuda::mma {

/// Enqueues the forward kernel on `stream`. @pre AttentionPath::forward's
void forward(const ForwardBlock& block, const AttentionState& state, const ActivationView& out, float scale,
             const Gate& gate, cudaStream_t stream);

/// Enqueues the backward kernel on `stream`. @pre AttentionPath::backward's
/// @param shared_bytes  that a block of threads may have on this device
void backward(const BackwardBlock& block, const BlockGradients& gradients, float scale, int shared_bytes,
              const Gate& gate, cudaStream_t stream);

}  // namespace ringworld::cuda::mma
