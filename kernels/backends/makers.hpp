#pragma once
/// @file  The factories of a backend, one per family of kernels. Each backend has a file here that fills the table in.

#include <memory>
#include <span>

#include "kernels/attention/attention.hpp"
#include "kernels/contract/kernel_options.hpp"
#include "kernels/embedding/embedding.hpp"
#include "kernels/loss/loss.hpp"
#include "kernels/matmul/matmul.hpp"
#include "kernels/norm/norm.hpp"
#include "kernels/optimizer/optimizer.hpp"
#include "kernels/rope/rope.hpp"
#include "kernels/swiglu/swiglu.hpp"
#include "kernels/tensor/tensor.hpp"

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
};

/// A backend of this build.
struct BuiltBackend {
  Backend backend;
  KernelMakers (*makers)();  ///< <backend>_kernels, defined in the file of that name
};

/// Generated from RINGWORLD_BACKENDS by CMakeLists.txt.
[[nodiscard]] std::span<const BuiltBackend> built_backends();

}  // namespace ringworld
