#include "kernels/backends/makers.hpp"

namespace ringworld {

// Each is defined in the cuda folder of its family.
std::unique_ptr<BlockAttention> make_cuda_block_attention(const BlockAttentionOptions& options);
std::unique_ptr<Matmul> make_cuda_matmul(const KernelOptions& options);
std::unique_ptr<TensorOps> make_cuda_tensor_ops(const KernelOptions& options);
std::unique_ptr<RmsNorm> make_cuda_rms_norm(const KernelOptions& options);
std::unique_ptr<Rope> make_cuda_rope(const KernelOptions& options);
std::unique_ptr<SwiGlu> make_cuda_swiglu(const KernelOptions& options);
std::unique_ptr<Embedding> make_cuda_embedding(const KernelOptions& options);
std::unique_ptr<CrossEntropy> make_cuda_cross_entropy(const KernelOptions& options);
std::unique_ptr<Optimizer> make_cuda_optimizer(const KernelOptions& options);
std::unique_ptr<Convolution> make_cuda_convolution(const KernelOptions& options);
std::unique_ptr<Upsampling> make_cuda_upsampling(const KernelOptions& options);
std::unique_ptr<GroupNorm> make_cuda_group_norm(const KernelOptions& options);
std::unique_ptr<VectorQuantizer> make_cuda_vector_quantizer(const KernelOptions& options);
std::unique_ptr<ReconstructionLoss> make_cuda_reconstruction_loss(const KernelOptions& options);

KernelMakers cuda_kernels() {
  return {.attention = make_cuda_block_attention,
          .matmul = make_cuda_matmul,
          .tensor = make_cuda_tensor_ops,
          .norm = make_cuda_rms_norm,
          .rope = make_cuda_rope,
          .swiglu = make_cuda_swiglu,
          .embedding = make_cuda_embedding,
          .loss = make_cuda_cross_entropy,
          .optimizer = make_cuda_optimizer,
          .convolution = make_cuda_convolution,
          .upsampling = make_cuda_upsampling,
          .group_norm = make_cuda_group_norm,
          .vector_quantizer = make_cuda_vector_quantizer,
          .reconstruction_loss = make_cuda_reconstruction_loss};
}

}  // namespace ringworld
