#pragma once
/// @file  The factories of a backend, one per family of kernels. Each backend has a file here that fills the table in.

#include <memory>
#include <span>

#include "kernels/attention/attention.hpp"
#include "kernels/contract/kernel_options.hpp"
#include "kernels/convolution/convolution.hpp"
#include "kernels/embedding/embedding.hpp"
#include "kernels/group_norm/group_norm.hpp"
#include "kernels/loss/loss.hpp"
#include "kernels/matmul/matmul.hpp"
#include "kernels/norm/norm.hpp"
#include "kernels/optimizer/optimizer.hpp"
#include "kernels/reconstruction_loss/reconstruction_loss.hpp"
#include "kernels/rope/rope.hpp"
#include "kernels/swiglu/swiglu.hpp"
#include "kernels/tensor/tensor.hpp"
#include "kernels/upsampling/upsampling.hpp"
#include "kernels/vector_quantizer/vector_quantizer.hpp"

namespace ringworld {

struct KernelMakers {
  std::unique_ptr<BlockAttention> (*attention)(const BlockAttentionOptions&);
  std::unique_ptr<Matmul> (*matmul)(const KernelOptions&);
  std::unique_ptr<TensorOps> (*tensor)(const KernelOptions&);
  std::unique_ptr<RmsNorm> (*norm)(const KernelOptions&);
  std::unique_ptr<Rope> (*rope)(const KernelOptions&);
  std::unique_ptr<SwiGlu> (*swiglu)(const KernelOptions&);
  std::unique_ptr<Embedding> (*embedding)(const KernelOptions&);
  std::unique_ptr<CrossEntropy> (*loss)(const KernelOptions&);
  std::unique_ptr<Optimizer> (*optimizer)(const KernelOptions&);
  std::unique_ptr<Convolution> (*convolution)(const KernelOptions&);
  std::unique_ptr<Upsampling> (*upsampling)(const KernelOptions&);
  std::unique_ptr<GroupNorm> (*group_norm)(const KernelOptions&);
  std::unique_ptr<VectorQuantizer> (*vector_quantizer)(const KernelOptions&);
  std::unique_ptr<ReconstructionLoss> (*reconstruction_loss)(const KernelOptions&);
};

/// A backend of this build.
struct BuiltBackend {
  Backend backend;
  KernelMakers (*makers)();  ///< <backend>_kernels, defined in the file of that name
};

/// Generated from RINGWORLD_BACKENDS by CMakeLists.txt.
[[nodiscard]] std::span<const BuiltBackend> built_backends();

}  // namespace ringworld
