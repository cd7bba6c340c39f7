/// @file  The path that takes every block.

#include <cstdint>
#include <type_traits>

#include "core/error.hpp"
#include "device/cuda/launch.cuh"
#include "kernels/attention/cuda/fp32/backward.cuh"
#include "kernels/attention/cuda/fp32/forward.cuh"
#include "kernels/attention/cuda/path.hpp"

namespace ringworld::cuda {
namespace {

/// Calls `function(std::integral_constant)` with the groups of 64 columns, a power of two, that hold a head.
template <class Function>
void with_column_groups(std::int64_t head_size, Function&& function) {
  require(head_size <= 4 * fp32_tile, "block attention: the fp32 kernels hold heads of at most 256");
  if (head_size <= fp32_tile) {
    function(std::integral_constant<int, 1>());
  } else if (head_size <= 2 * fp32_tile) {
    function(std::integral_constant<int, 2>());
  } else {
    function(std::integral_constant<int, 4>());
  }
}

LaunchShape shape_of(std::int64_t tokens, std::int64_t heads, std::int64_t batch) {
  return {.grid = dim3(static_cast<unsigned>((tokens + fp32_tile - 1) / fp32_tile), static_cast<unsigned>(heads),
                       static_cast<unsigned>(batch)),
          .block = dim3(fp32_threads)};
}

class Fp32Path final : public AttentionPath {
 public:
  explicit Fp32Path(const BlockAttentionOptions& options) : scale_(options.scale) {}

  [[nodiscard]] std::string_view name() const override { return "fp32"; }

  [[nodiscard]] bool supports(const ForwardBlock& /*block*/, const AttentionState& /*state*/) const override {
    return true;
  }
  [[nodiscard]] bool supports(const BackwardBlock& /*block*/, const BlockGradients& /*gradients*/) const override {
    return true;
  }

  [[nodiscard]] bool can_write(const ActivationView& /*out*/) const override { return true; }

  void forward(const ForwardBlock& block, const AttentionState& state, const ActivationView& out, const Gate& gate,
               cudaStream_t stream) override {
    const Fp32ForwardArguments arguments{.q = any_vectors(block.q),
                                         .k = any_vectors(block.k),
                                         .v = any_vectors(block.v),
                                         .state = rows_of(state),
                                         .out = results_of(out),
                                         .mask = tile_mask_of(block.mask, block.q.tokens(), block.k.tokens()),
                                         .gate = gate,
                                         .scale = scale_,
                                         .head_size = static_cast<int>(block.q.head_size()),
                                         .heads_per_kv_head = static_cast<int>(block.q.heads() / block.k.heads())};
    with_column_groups(block.q.head_size(), [&](auto groups) {
      launch(fp32_forward_kernel<groups>, shape_of(block.q.tokens(), block.q.heads(), block.q.batch()), stream,
             arguments);
    });
  }

  void backward(const BackwardBlock& block, const BlockGradients& gradients, const Gate& gate,
                cudaStream_t stream) override {
    const Fp32BackwardArguments arguments{.q = any_vectors(block.q),
                                          .k = any_vectors(block.k),
                                          .v = any_vectors(block.v),
                                          .dout = any_vectors(block.dout),
                                          .maximum = numbers_of(block.maximum),
                                          .sum = numbers_of(block.sum),
                                          .delta = numbers_of(block.delta),
                                          .dq = vectors_by_token(gradients.dq),
                                          .dk = vectors_by_token(gradients.dk),
                                          .dv = vectors_by_token(gradients.dv),
                                          .mask = tile_mask_of(block.mask, block.q.tokens(), block.k.tokens()),
                                          .gate = gate,
                                          .scale = scale_,
                                          .head_size = static_cast<int>(block.q.head_size()),
                                          .heads_per_kv_head = static_cast<int>(block.q.heads() / block.k.heads())};
    with_column_groups(block.q.head_size(), [&](auto groups) {
      launch(fp32_backward_kernel<groups>, shape_of(block.k.tokens(), block.k.heads(), block.k.batch()), stream,
             arguments);
    });
  }

 private:
  float scale_;
};

}  // namespace

std::unique_ptr<AttentionPath> make_fp32_path(const BlockAttentionOptions& options) {
  return std::make_unique<Fp32Path>(options);
}

}  // namespace ringworld::cuda
