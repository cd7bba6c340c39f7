#pragma once
/// @file  What is done once a row, before and after the blocks. Each reads and writes its tensors once.

#include <cuda_runtime_api.h>

#include "kernels/attention/attention.hpp"

namespace ringworld::cuda {

/// The state of queries that have seen no key. Enqueues on `stream`, as all of these.
void reset(const AttentionState& state, cudaStream_t stream);

/// out = output / sum, lse = maximum + log(sum); 0 and -inf where no key was seen.
void finalize(const AttentionState& state, const ActivationView& out, const TensorView<float, 3>& lse,
              cudaStream_t stream);

/// delta = sum over D of out * dout.
void output_dot_gradient(const ConstActivationView& out, const ConstActivationView& dout,
                         const TensorView<float, 3>& delta, cudaStream_t stream);

}  // namespace ringworld::cuda
