#pragma once
/// @file  What a backend brings: one maker a family. Each backend has a file here that fills the table in.

#include <memory>

#include "kernels/attention/attention.hpp"
#include "kernels/embedding/embedding.hpp"
#include "kernels/loss/loss.hpp"
#include "kernels/matmul/matmul.hpp"
#include "kernels/mlp/mlp.hpp"
#include "kernels/norm/norm.hpp"
#include "kernels/optimizer/optimizer.hpp"
#include "kernels/rope/rope.hpp"
#include "kernels/row/kernel_options.hpp"
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

[[nodiscard]] KernelMakers reference_kernels();
[[nodiscard]] KernelMakers host_kernels();
[[nodiscard]] KernelMakers kokkos_kernels();
[[nodiscard]] KernelMakers cuda_kernels();

}  // namespace ringworld
