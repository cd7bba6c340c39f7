/// @file  Blockwise attention on the CPU.
///
///   keys ->      panel 0          panel 1        A panel of keys is packed once and stays in the second-level cache
///            +-----+-----+    +-----+-----+      while every query tile passes over it; grouped query heads share it.
///   query    |tile |tile |    |tile |tile |      A tile: 64 queries x 64 keys
///   tiles    +-----+-----+    +-----+-----+
///     |      |  \  |     |    |     |     |      forward, queries along the lanes so that no sum crosses them:
///     v      +-----+-----+    +-----+-----+        S^T = K Q^T,  P^T = exp(S^T - m),  O^T += V^T P^T
///            |     |  \  |    |     |     |      backward, keys along the lanes:
///            +-----+-----+    +-----+-----+        S = Q K^T,  dP = dO V^T,  P and dS,
///                                                  dV^T += dO^T P,  dK^T += Q^T dS,  dQ += dS K
///
///   Tiles above the diagonal, or between different documents, are never computed; only tiles on the diagonal or across
///   documents are masked. Threads share the work as team_walk.hpp draws it.
/// Source: Dao, "FlashAttention-2", arXiv:2307.08691, algorithms 1 and 2, with the loops over keys outside.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/attention/attention.hpp"
#include "kernels/attention/host/backward.hpp"
#include "kernels/attention/host/forward.hpp"
#include "kernels/attention/host/one_query.hpp"
#include "kernels/attention/minus_infinity.hpp"
#include "kernels/elementwise/parallel.hpp"
#include "kernels/elementwise/row_functions.hpp"

namespace ringworld {
namespace {

using host_attention::BackwardPass;
using host_attention::BlockTiling;
using host_attention::ForwardPass;
using host_attention::OneQuery;
using host_attention::Scratch;
using host_attention::tile_kernels;
using host_attention::walk_pairs;
using host_attention::Walker;

/// bf16 only where every operand is: words of two kinds cannot be multiplied.
template <class... View>
DType narrowest_common(const View&... views) {
  return ((views.dtype == DType::bfloat16) && ...) ? DType::bfloat16 : DType::float32;
}

class HostBlockAttention final : public BlockAttention {
 public:
  HostBlockAttention(const BlockAttentionOptions& options, Isa isa)
      : BlockAttention(options.head_size),
        options_(options),
        isa_(isa),
        rows_(row::row_functions(isa)),
        one_query_(options, isa) {
    for (int thread = 0; thread < options.threads; ++thread) {
      scratches_.emplace_back(options.head_size);
    }
  }

  [[nodiscard]] std::int64_t workspace_bytes() const override {
    std::int64_t bytes = one_query_.bytes();
    for (const Scratch& scratch : scratches_) {
      bytes += scratch.memory.bytes();
    }
    return bytes;
  }

 private:
  void run_reset(const AttentionState& state) override {
    for_each_row(state.maximum, [&](auto b, auto h, auto t) {
      state.maximum(b, h, t) = minus_infinity;
      state.sum(b, h, t) = 0.0F;
    });
  }

  bool run_accumulate(const ForwardBlock& block, const AttentionState& state, const ActivationView& out,
                      const Progress& progress) override {
    if (OneQuery::serves(block)) {
      one_query_.accumulate(block, state);
      if (!out.is_null()) {
        run_finalize(state, out);
      }
      return !progress || progress();
    }
    const BlockTiling tiling(block.mask, block.q.tokens(), block.k.tokens());
    const ForwardPass pass{.kernels = tile_kernels(isa_, narrowest_common(block.q, block.k, block.v)),
                           .scale = options_.scale,
                           .block = block,
                           .state = state,
                           .tiling = tiling};
    const bool has_ended =
        walk_pairs(scratches_, block.k.batch(), block.k.heads(), progress,
                   [&](const Walker& walker, auto batch, auto kv_head) { pass.walk(walker, batch, kv_head); });
    if (has_ended && !out.is_null()) {
      run_finalize(state, out);
    }
    return has_ended;
  }

  bool run_backward(const BackwardBlock& block, const BlockGradients& gradients, const Progress& progress) override {
    clear_overwritten_keys(gradients);
    const BlockTiling tiling(block.mask, block.q.tokens(), block.k.tokens());
    const BackwardPass pass{.kernels = tile_kernels(isa_, narrowest_common(block.q, block.k, block.v, block.dout)),
                            .scale = options_.scale,
                            .block = block,
                            .gradients = gradients,
                            .tiling = tiling};
    return walk_pairs(scratches_, block.k.batch(), block.k.heads(), progress,
                      [&](const Walker& walker, auto batch, auto kv_head) { pass.walk(walker, batch, kv_head); });
  }

  void run_merge(const AttentionState& from, const AttentionState& into) override {
    for_each_row_in_parallel(into.maximum, [&](auto b, auto h, auto t) {
      const float added = from.maximum(b, h, t);
      const float present = into.maximum(b, h, t);
      const float largest = std::max(present, added);
      const float factor = factor_of(present, largest);
      const float added_factor = factor_of(added, largest);
      into.maximum(b, h, t) = largest;
      // Also where nothing was seen: a sum that is no number must show.
      into.sum(b, h, t) = factor * into.sum(b, h, t) + added_factor * from.sum(b, h, t);
      const float* output = &from.output(b, h, t, 0);
      if (added == minus_infinity) {
        return;
      }
      if (present == minus_infinity) {
        std::copy_n(output, head_size(), &into.output(b, h, t, 0));
      } else {
        rows_.combine(output, added_factor, &into.output(b, h, t, 0), factor, head_size());
      }
    });
  }

  void run_rescale(const TensorView<const float, 3>& maximum, const AttentionState& state) override {
    for_each_row_in_parallel(state.maximum, [&](auto b, auto h, auto t) {
      const float own = state.maximum(b, h, t);
      const float factor = factor_of(own, maximum(b, h, t));
      state.maximum(b, h, t) = maximum(b, h, t);
      state.sum(b, h, t) *= factor;
      float* output = &state.output(b, h, t, 0);
      if (own == minus_infinity) {
        std::fill_n(output, head_size(), 0.0F);
      } else {
        rows_.scale(output, head_size(), factor);
      }
    });
  }

  void run_finalize(const AttentionState& state, const ActivationView& out) override {
    with_type(out.dtype, [&](auto type) {
      using T = decltype(type);
      const auto typed = out.as<T>();
      for_each_row(state.maximum, [&](auto b, auto h, auto t) {
        const float sum = state.sum(b, h, t);
        T* to = &typed(b, t, h, 0);
        if (sum == 0.0F) {  // a sum that is no number must show
          std::fill_n(to, options_.head_size, T{});
          return;
        }
        const float inverse = 1.0F / sum;
        const float* from = &state.output(b, h, t, 0);
        for (std::int64_t d = 0; d < options_.head_size; ++d) {
          to[d] = static_cast<T>(from[d] * inverse);
        }
      });
    });
  }

  void run_output_dot_gradient(const ConstActivationView& out, const ConstActivationView& dout,
                               const TensorView<float, 3>& delta) override {
    with_type(out.dtype, [&](auto out_type) {
      with_type(dout.dtype, [&](auto dout_type) {
        const auto typed_out = out.as<decltype(out_type)>();
        const auto typed_dout = dout.as<decltype(dout_type)>();
        for_each_row(delta, [&](auto b, auto h, auto t) {
          const auto* a = &typed_out(b, t, h, 0);
          const auto* g = &typed_dout(b, t, h, 0);
          double sum = 0;  // rounded once: delta is subtracted from a nearly equal number
          for (std::int64_t d = 0; d < options_.head_size; ++d) {
            sum += static_cast<double>(static_cast<float>(a[d])) * static_cast<double>(static_cast<float>(g[d]));
          }
          delta(b, h, t) = static_cast<float>(sum);
        });
      });
    });
  }

  /// e^(maximum - largest), which makes sums relative to `maximum` relative to `largest`; 0 where no key was seen,
  /// whatever the largest is: -inf - (-inf) is no number.
  static float factor_of(float maximum, float largest) {
    return maximum == minus_infinity ? 0.0F : std::exp(maximum - largest);
  }

  /// Rows as long as the head size: the threads of the rank share them.
  template <class Function>
  void for_each_row_in_parallel(const TensorView<float, 3>& rows, const Function& function) const {
    const std::int64_t heads = rows.shape[1];
    const std::int64_t tokens = rows.shape[2];
    row::for_each_range(options_.threads, rows.size(), row::rows_per_range(head_size()),
                        [&](std::int64_t begin, std::int64_t end) {
                          for (std::int64_t at = begin; at < end; ++at) {
                            function(at / tokens / heads, at / tokens % heads, at % tokens);
                          }
                        });
  }

  template <class Function>
  static void for_each_row(const TensorView<float, 3>& rows, Function&& function) {
    for (std::int64_t b = 0; b < rows.shape[0]; ++b) {
      for (std::int64_t h = 0; h < rows.shape[1]; ++h) {
        for (std::int64_t t = 0; t < rows.shape[2]; ++t) {
          function(b, h, t);
        }
      }
    }
  }

  BlockAttentionOptions options_;
  Isa isa_;
  const row::RowFunctions& rows_;
  std::vector<Scratch> scratches_;  // one a thread
  OneQuery one_query_;
};

}  // namespace

std::unique_ptr<BlockAttention> make_host_block_attention(const BlockAttentionOptions& options) {
  return std::make_unique<HostBlockAttention>(options, selected_isa());
}

}  // namespace ringworld
