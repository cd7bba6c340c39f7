#include "kernels/backends/makers.hpp"

namespace ringworld {

// Each is defined in the host folder of its family.
std::unique_ptr<BlockAttention> make_host_block_attention(const BlockAttentionOptions& options);
std::unique_ptr<Matmul> make_host_matmul(const KernelOptions& options);
std::unique_ptr<TensorOps> make_host_tensor_ops(const KernelOptions& options);
std::unique_ptr<RmsNorm> make_host_rms_norm(const KernelOptions& options);
std::unique_ptr<Rope> make_host_rope(const KernelOptions& options);
std::unique_ptr<SwiGlu> make_host_swiglu(const KernelOptions& options);
std::unique_ptr<Embedding> make_host_embedding(const KernelOptions& options);
std::unique_ptr<CrossEntropy> make_host_cross_entropy(const KernelOptions& options);
std::unique_ptr<Optimizer> make_host_optimizer(const KernelOptions& options);
std::unique_ptr<Convolution> make_host_convolution(const KernelOptions& options);
std::unique_ptr<Upsampling> make_host_upsampling(const KernelOptions& options);
std::unique_ptr<GroupNorm> make_host_group_norm(const KernelOptions& options);
std::unique_ptr<VectorQuantizer> make_host_vector_quantizer(const KernelOptions& options);
std::unique_ptr<ReconstructionLoss> make_host_reconstruction_loss(const KernelOptions& options);

KernelMakers host_kernels() {
  return {.attention = make_host_block_attention,
          .matmul = make_host_matmul,
          .tensor = make_host_tensor_ops,
          .norm = make_host_rms_norm,
          .rope = make_host_rope,
          .swiglu = make_host_swiglu,
          .embedding = make_host_embedding,
          .loss = make_host_cross_entropy,
          .optimizer = make_host_optimizer,
          .convolution = make_host_convolution,
          .upsampling = make_host_upsampling,
          .group_norm = make_host_group_norm,
          .vector_quantizer = make_host_vector_quantizer,
          .reconstruction_loss = make_host_reconstruction_loss};
}

}  // namespace ringworld
