#include "kernels/backends/makers.hpp"

namespace ringworld {

// Each is defined in the kokkos folder of its family.
std::unique_ptr<BlockAttention> make_kokkos_block_attention(const BlockAttentionOptions& options);
std::unique_ptr<Matmul> make_kokkos_matmul(const KernelOptions& options);
std::unique_ptr<TensorOps> make_kokkos_tensor_ops(const KernelOptions& options);
std::unique_ptr<RmsNorm> make_kokkos_rms_norm(const KernelOptions& options);
std::unique_ptr<Rope> make_kokkos_rope(const KernelOptions& options);
std::unique_ptr<SwiGlu> make_kokkos_swiglu(const KernelOptions& options);
std::unique_ptr<Embedding> make_kokkos_embedding(const KernelOptions& options);
std::unique_ptr<CrossEntropy> make_kokkos_cross_entropy(const KernelOptions& options);
std::unique_ptr<Optimizer> make_kokkos_optimizer(const KernelOptions& options);
std::unique_ptr<Convolution> make_kokkos_convolution(const KernelOptions& options);
std::unique_ptr<Upsampling> make_kokkos_upsampling(const KernelOptions& options);
std::unique_ptr<GroupNorm> make_kokkos_group_norm(const KernelOptions& options);
std::unique_ptr<VectorQuantizer> make_kokkos_vector_quantizer(const KernelOptions& options);
std::unique_ptr<ReconstructionLoss> make_kokkos_reconstruction_loss(const KernelOptions& options);

KernelMakers kokkos_kernels() {
  return {.attention = make_kokkos_block_attention,
          .matmul = make_kokkos_matmul,
          .tensor = make_kokkos_tensor_ops,
          .norm = make_kokkos_rms_norm,
          .rope = make_kokkos_rope,
          .swiglu = make_kokkos_swiglu,
          .embedding = make_kokkos_embedding,
          .loss = make_kokkos_cross_entropy,
          .optimizer = make_kokkos_optimizer,
          .convolution = make_kokkos_convolution,
          .upsampling = make_kokkos_upsampling,
          .group_norm = make_kokkos_group_norm,
          .vector_quantizer = make_kokkos_vector_quantizer,
          .reconstruction_loss = make_kokkos_reconstruction_loss};
}

}  // namespace ringworld
