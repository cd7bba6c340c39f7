/// @file  The portable tensor-core path: which blocks it takes.

#include <cuda_runtime_api.h>

#include <cstdint>

#include "device/cuda/check.hpp"
#include "kernels/attention/cuda/mma/launch.hpp"
#include "kernels/attention/cuda/path.hpp"

namespace ringworld::cuda {
namespace {

int attribute(cudaDeviceAttr which) {
  int ordinal = 0;
  check_cuda(cudaGetDevice(&ordinal));
  int value = 0;
  check_cuda(cudaDeviceGetAttribute(&value, which, ordinal));
  return value;
}

bool is_multiple(const void* data, std::int64_t bytes) {
  return reinterpret_cast<std::uintptr_t>(data) % static_cast<std::uintptr_t>(bytes) == 0;
}

/// Whether every vector of D elements can be copied in pieces of 16 bytes, or of 8 where D is no multiple of 8.
bool is_copyable(const ConstActivationView& tensor) {
  const std::int64_t elements = tensor.head_size() % 8 == 0 ? 8 : 4;
  return tensor.dtype == DType::bfloat16 && is_multiple(tensor.data, elements * size_of(tensor.dtype)) &&
         tensor.strides[0] % elements == 0 && tensor.strides[1] % elements == 0 && tensor.strides[2] % elements == 0;
}

/// Whether every vector can be read and written in pairs.
bool has_pairs(const ConstActivationView& tensor) {
  return is_multiple(tensor.data, 2 * size_of(tensor.dtype)) && tensor.strides[0] % 2 == 0 &&
         tensor.strides[1] % 2 == 0 && tensor.strides[2] % 2 == 0;
}

class MmaPath final : public AttentionPath {
 public:
  explicit MmaPath(const BlockAttentionOptions& options)
      : scale_(options.scale), shared_bytes_(attribute(cudaDevAttrMaxSharedMemoryPerBlockOptin)) {}

  [[nodiscard]] std::string_view name() const override { return "mma"; }

  [[nodiscard]] bool supports(const ForwardBlock& block, const AttentionState& state) const override {
    return is_copyable(block.q) && is_copyable(block.k) && is_copyable(block.v) &&
           has_pairs(ActivationView(state.output));
  }

  [[nodiscard]] bool supports(const BackwardBlock& block, const BlockGradients& gradients) const override {
    return is_copyable(block.q) && is_copyable(block.k) && is_copyable(block.v) && is_copyable(block.dout) &&
           has_pairs(ActivationView(gradients.dk)) && has_pairs(ActivationView(gradients.dv));
  }

  [[nodiscard]] bool can_write(const ActivationView& out) const override { return has_pairs(out); }

  void forward(const ForwardBlock& block, const AttentionState& state, const ActivationView& out, const Gate& gate,
               cudaStream_t stream) override {
    mma::forward(block, state, out, scale_, gate, stream);
  }

  void backward(const BackwardBlock& block, const BlockGradients& gradients, const Gate& gate,
                cudaStream_t stream) override {
    mma::backward(block, gradients, scale_, shared_bytes_, gate, stream);
  }

 private:
  float scale_;
  int shared_bytes_;
};

}  // namespace

std::unique_ptr<AttentionPath> make_mma_path(const BlockAttentionOptions& options) {
  constexpr int first_with_bf16_and_cp_async = 8;
  if (attribute(cudaDevAttrComputeCapabilityMajor) < first_with_bf16_and_cp_async) {
    return nullptr;
  }
  return std::make_unique<MmaPath>(options);
}

}  // namespace ringworld::cuda
