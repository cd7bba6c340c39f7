#include "kernels/backends/makers.hpp"

namespace ringworld {

// Each is defined in the reference folder of its family.
std::unique_ptr<BlockAttention> make_reference_block_attention(const BlockAttentionOptions& options);
std::unique_ptr<Matmul> make_reference_matmul(const KernelOptions& options);
std::unique_ptr<TensorOps> make_reference_tensor_ops(const KernelOptions& options);
std::unique_ptr<RmsNorm> make_reference_rms_norm(const KernelOptions& options);
std::unique_ptr<Rope> make_reference_rope(const KernelOptions& options);
std::unique_ptr<SwiGlu> make_reference_swiglu(const KernelOptions& options);
std::unique_ptr<Embedding> make_reference_embedding(const KernelOptions& options);
std::unique_ptr<CrossEntropy> make_reference_cross_entropy(const KernelOptions& options);
std::unique_ptr<Optimizer> make_reference_optimizer(const KernelOptions& options);
std::unique_ptr<Convolution> make_reference_convolution(const KernelOptions& options);
std::unique_ptr<Upsampling> make_reference_upsampling(const KernelOptions& options);
std::unique_ptr<GroupNorm> make_reference_group_norm(const KernelOptions& options);
std::unique_ptr<VectorQuantizer> make_reference_vector_quantizer(const KernelOptions& options);
std::unique_ptr<ReconstructionLoss> make_reference_reconstruction_loss(const KernelOptions& options);

KernelMakers reference_kernels() {
  return {.attention = make_reference_block_attention,
          .matmul = make_reference_matmul,
          .tensor = make_reference_tensor_ops,
          .norm = make_reference_rms_norm,
          .rope = make_reference_rope,
          .swiglu = make_reference_swiglu,
          .embedding = make_reference_embedding,
          .loss = make_reference_cross_entropy,
          .optimizer = make_reference_optimizer,
          .convolution = make_reference_convolution,
          .upsampling = make_reference_upsampling,
          .group_norm = make_reference_group_norm,
          .vector_quantizer = make_reference_vector_quantizer,
          .reconstruction_loss = make_reference_reconstruction_loss};
}

}  // namespace ringworld
