/// @file  Block attention on Kokkos's default execution space.

#include <Kokkos_Core.hpp>
#include <array>
#include <cstdint>

#include "core/error.hpp"
#include "device/kokkos/runtime.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/attention/kokkos/backward.hpp"
#include "kernels/attention/kokkos/forward.hpp"
#include "kernels/attention/kokkos/row_kernels.hpp"

namespace ringworld {
namespace {

using namespace ringworld::kokkos;  // NOLINT(google-build-using-namespace): the whole file is about them

StateViews views_of(const AttentionState& state) {
  return {.maximum = view_of(state.maximum), .sum = view_of(state.sum), .output = view_of(state.output)};
}

/// Runs a kernel on every row of a (B, H, T) shape, and waits for it.
template <class Kernel>
void for_each_state_row(const char* name, const std::array<std::int64_t, 3>& shape, const Kernel& kernel) {
  const LaunchScope scope;
  Kokkos::parallel_for(name, RowPolicy({0, 0, 0}, {shape[0], shape[1], shape[2]}), kernel);
  ExecutionSpace().fence();
}

class KokkosBlockAttention final : public BlockAttention {
 public:
  explicit KokkosBlockAttention(const BlockAttentionOptions& options)
      : BlockAttention(options.head_size), scale_(options.scale) {
    require(head_size() % unroll == 0, "block attention: kokkos kernels need a head size that is a multiple of 4");
    Runtime::ensure();
  }

  /// The team scratch belongs to Kokkos, which keeps one piece a running team for all kernels of the process.
  [[nodiscard]] std::int64_t workspace_bytes() const override { return 0; }

 private:
  void run_reset(const AttentionState& state) override {
    for_each_state_row("ringworld::attention::reset", state.maximum.shape, ResetKernel{views_of(state)});
  }

  bool run_accumulate(const ForwardBlock& block, const AttentionState& state, const ActivationView& out,
                      const Progress& progress) override {
    const ForwardKernel kernel{.q = ActivationReader(block.q),
                               .k = ActivationReader(block.k),
                               .v = ActivationReader(block.v),
                               .state = views_of(state),
                               .mask = TileMask(block.mask, block.q.tokens(), block.k.tokens()),
                               .scale = scale_,
                               .head_size = static_cast<int>(head_size()),
                               .heads = block.q.heads(),
                               .heads_per_kv_head = block.q.heads() / block.k.heads(),
                               .query_tokens = block.q.tokens()};
    const std::int64_t tiles = block.q.batch() * block.q.heads() * tiles_of(block.q.tokens());
    const bool has_ended = launch_in_parts("ringworld::attention::forward", kernel, tiles, block.k.tokens(), progress);
    if (has_ended && !out.is_null()) {
      run_finalize(state, out);
    }
    return has_ended;
  }

  void run_merge(const AttentionState& from, const AttentionState& into) override {
    for_each_state_row("ringworld::attention::merge", into.maximum.shape,
                       MergeKernel{.from = views_of(from), .into = views_of(into)});
  }

  void run_rescale(const TensorView<const float, 3>& maximum, const AttentionState& state) override {
    for_each_state_row("ringworld::attention::rescale", state.maximum.shape,
                       RescaleKernel{.maximum = view_of(maximum), .state = views_of(state)});
  }

  void run_finalize(const AttentionState& state, const ActivationView& out) override {
    for_each_state_row("ringworld::attention::finalize", state.maximum.shape,
                       FinalizeKernel{.state = views_of(state), .out = ActivationWriter(out)});
  }

  void run_output_dot_gradient(const ConstActivationView& out, const ConstActivationView& dout,
                               const TensorView<float, 3>& delta) override {
    for_each_state_row("ringworld::attention::output_dot_gradient", delta.shape,
                       OutputDotGradientKernel{.out = ActivationReader(out),
                                               .dout = ActivationReader(dout),
                                               .delta = view_of(delta),
                                               .head_size = out.head_size()});
  }

  bool run_backward(const BackwardBlock& block, const BlockGradients& gradients, const Progress& progress) override {
    if (gradients.overwrites_keys) {
      for (const auto& tensor : {gradients.dk, gradients.dv}) {
        for_each_state_row("ringworld::attention::clear", {tensor.shape[0], tensor.shape[2], tensor.shape[1]},
                           ClearKernel{view_of(tensor)});
      }
    }
    const BackwardOperands operands{.q = ActivationReader(block.q),
                                    .k = ActivationReader(block.k),
                                    .v = ActivationReader(block.v),
                                    .dout = ActivationReader(block.dout),
                                    .maximum = view_of(block.maximum),
                                    .sum = view_of(block.sum),
                                    .delta = view_of(block.delta),
                                    .mask = TileMask(block.mask, block.q.tokens(), block.k.tokens()),
                                    .scale = scale_,
                                    .heads_per_kv_head = block.q.heads() / block.k.heads(),
                                    .query_tokens = block.q.tokens(),
                                    .key_tokens = block.k.tokens()};
    const QueryGradientKernel by_query{.block = operands,
                                       .dq = view_of(gradients.dq),
                                       .head_size = static_cast<int>(head_size()),
                                       .heads = block.q.heads()};
    const KeyGradientKernel by_key{.block = operands,
                                   .dk = view_of(gradients.dk),
                                   .dv = view_of(gradients.dv),
                                   .head_size = static_cast<int>(head_size()),
                                   .kv_heads = block.k.heads()};
    const std::int64_t query_tiles = block.q.batch() * block.q.heads() * tiles_of(block.q.tokens());
    const std::int64_t key_tiles = block.k.batch() * block.k.heads() * tiles_of(block.k.tokens());
    return launch_in_parts("ringworld::attention::query_gradient", by_query, query_tiles, block.k.tokens(), progress) &&
           launch_in_parts("ringworld::attention::key_gradient", by_key, key_tiles, block.q.tokens(), progress);
  }

  float scale_;
};

}  // namespace

std::unique_ptr<BlockAttention> make_kokkos_block_attention(const BlockAttentionOptions& options) {
  return std::make_unique<KokkosBlockAttention>(options);
}

}  // namespace ringworld
