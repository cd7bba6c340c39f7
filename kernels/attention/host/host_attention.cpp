/// @file  Blockwise attention on the CPU.
///
///   keys ->      panel 0          panel 1        A panel of keys is packed once (K transposed, V as it is) and
///            +-----+-----+    +-----+-----+      stays in the second-level cache while every query tile passes over
///   query    |tile |tile |    |tile |tile |      it; grouped query heads share it. A tile: 96 queries x 64 keys
///   tiles    +-----+-----+    +-----+-----+
///     |      |  \  |     |    |     |     |        S = Q K^T         register blocks, K panel in the first-level cache
///     v      +-----+-----+    +-----+-----+        P = exp(S - m)    while in cache; only tiles on the diagonal or
///            |     |  \  |    |     |     |                          across documents are masked
///            +-----+-----+    +-----+-----+        O += P V          in a scratch tile, loaded and stored once a panel
///
///   Tiles above the diagonal, or between different documents, are never computed.
///   Backward keeps the panel's K, K^T, V^T, dK, dV; per tile S, dP = dO V^T, dV += P^T dO, dK += dS^T Q, dQ += dS K.
/// Source: Dao, "FlashAttention-2", arXiv:2307.08691, algorithms 1 and 2, with the loops over keys outside.

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "core/error.hpp"
#include "device/buffer.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/attention/host/tile_kernels.hpp"

namespace ringworld {
namespace {

using host_attention::key_tile;
using host_attention::PackTile;
using host_attention::padded;
using host_attention::query_tile;
using host_attention::tile_kernels;
using host_attention::TileKernels;
using host_attention::TileMask;

constexpr std::int64_t forward_panel = 512;   // keys; K^T and V of a panel: 256 KiB at D = 64
constexpr std::int64_t backward_panel = 256;  // keys; five panels: 320 KiB at D = 64
constexpr std::int64_t all_visible = std::numeric_limits<std::int32_t>::max() / 2;

/// Any diagonal that a caller may give, within what adding token counts cannot overflow.
std::int64_t safe_diagonal(const BlockMask& mask) {
  constexpr std::int64_t bound = std::numeric_limits<std::int64_t>::max() / 4;
  return std::clamp(mask.diagonal, -bound, bound);
}

/// Smallest and largest document id of a run of tokens.
struct SegmentRange {
  std::int32_t smallest = 0;
  std::int32_t largest = 0;

  [[nodiscard]] bool intersects(const SegmentRange& other) const {
    return smallest <= other.largest && other.smallest <= largest;
  }
  [[nodiscard]] bool is_one_document_with(const SegmentRange& other) const {
    return smallest >= 0 && smallest == largest && other.smallest == other.largest && smallest == other.smallest;
  }
};

/// The documents of one sequence's tokens, cut into tiles and padded to whole tiles.
class SegmentTiles {
 public:
  void assign(const TensorView<const std::int32_t, 2>& ids, std::int64_t sequence, std::int64_t tile) {
    const std::int64_t count = ids.shape[1];
    const std::int64_t tiles = (count + tile - 1) / tile;
    tile_ = tile;
    ids_.assign(static_cast<std::size_t>(tiles * tile), -1);
    ranges_.resize(static_cast<std::size_t>(tiles));
    for (std::int64_t token = 0; token < count; ++token) {
      ids_[static_cast<std::size_t>(token)] = ids(sequence, token);
    }
    for (std::int64_t index = 0; index < tiles; ++index) {
      const auto begin = ids_.begin() + index * tile;
      const auto [low, high] = std::minmax_element(begin, begin + std::min(tile, count - index * tile));
      ranges_[static_cast<std::size_t>(index)] = {*low, *high};
    }
  }
  [[nodiscard]] const std::int32_t* ids(std::int64_t token) const { return ids_.data() + token; }
  [[nodiscard]] const SegmentRange& range(std::int64_t token) const {
    return ranges_[static_cast<std::size_t>(token / tile_)];
  }

 private:
  std::int64_t tile_ = 1;
  std::vector<std::int32_t> ids_;
  std::vector<SegmentRange> ranges_;
};

class HostBlockAttention final : public BlockAttention {
 public:
  HostBlockAttention(const BlockAttentionOptions& options, Isa isa)
      : options_(options),
        padded_head_(padded(options.head_size)),
        kernels_(tile_kernels(isa)),
        scratch_(scratch_floats() * static_cast<std::int64_t>(sizeof(float))) {
    float* next = scratch_.as<float>();
    const auto take = [&next](std::int64_t floats) { return std::exchange(next, next + floats); };
    q_ = take(query_tile * padded_head_);
    dout_ = take(query_tile * padded_head_);
    output_ = take(query_tile * padded_head_);
    scores_ = take(query_tile * key_tile);
    probability_gradient_ = take(query_tile * key_tile);
    row_a_ = take(query_tile);
    row_b_ = take(query_tile);
    panel_ = take(panel_floats());
  }

  void reset(const AttentionState& state) override {
    for_each_row(state.maximum, [&](auto b, auto h, auto t) {
      state.maximum(b, h, t) = -std::numeric_limits<float>::infinity();
      state.sum(b, h, t) = 0.0F;
      std::fill_n(&state.output(b, h, t, 0), options_.head_size, 0.0F);
    });
  }

  bool accumulate(const ForwardBlock& block, const AttentionState& state, const Progress& progress) override {
    check_block(block, state, options_.head_size);
    const std::int64_t group = block.q.heads() / block.k.heads();
    for (std::int64_t b = 0; b < block.q.batch(); ++b) {
      assign_segments(block.mask, b);
      for (std::int64_t kv_head = 0; kv_head < block.k.heads(); ++kv_head) {
        for (std::int64_t panel = 0; panel < block.k.tokens(); panel += forward_panel) {
          const std::int64_t first_query = first_visible_query(block.mask, panel, block.q.tokens());
          if (first_query >= block.q.tokens()) {
            continue;
          }
          pack_forward_panel(block, b, kv_head, panel);
          for (std::int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
            for (std::int64_t query = first_query; query < block.q.tokens(); query += query_tile) {
              forward_query_tile(block, state, {b, head, kv_head, panel, query});
              if (progress && !progress()) {
                return false;
              }
            }
          }
        }
      }
    }
    return true;
  }

  void finalize(const AttentionState& state, const ActivationView& out, const TensorView<float, 3>& lse) override {
    with_type(out.dtype, [&](auto type) {
      using T = decltype(type);
      const auto typed = out.as<T>();
      for_each_row(state.maximum, [&](auto b, auto h, auto t) {
        const float sum = state.sum(b, h, t);
        const float inverse = sum > 0.0F ? 1.0F / sum : 0.0F;
        const float* from = &state.output(b, h, t, 0);
        T* to = &typed(b, t, h, 0);
        for (std::int64_t d = 0; d < options_.head_size; ++d) {
          to[d] = static_cast<T>(from[d] * inverse);
        }
        lse(b, h, t) = state.maximum(b, h, t) + std::log(sum);
      });
    });
  }

  void output_dot_gradient(const ConstActivationView& out, const ConstActivationView& dout,
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

  bool backward(const BackwardBlock& block, const BlockGradients& gradients, const Progress& progress) override {
    check_block(block, gradients, options_.head_size);
    const std::int64_t group = block.q.heads() / block.k.heads();
    for (std::int64_t b = 0; b < block.q.batch(); ++b) {
      assign_segments(block.mask, b);
      for (std::int64_t kv_head = 0; kv_head < block.k.heads(); ++kv_head) {
        for (std::int64_t panel = 0; panel < block.k.tokens(); panel += backward_panel) {
          const std::int64_t first_query = first_visible_query(block.mask, panel, block.q.tokens());
          if (first_query >= block.q.tokens()) {
            continue;
          }
          pack_backward_panel(block, b, kv_head, panel);
          for (std::int64_t head = kv_head * group; head < (kv_head + 1) * group; ++head) {
            for (std::int64_t query = first_query; query < block.q.tokens(); query += query_tile) {
              backward_query_tile(block, gradients, {b, head, kv_head, panel, query});
              if (progress && !progress()) {
                return false;
              }
            }
          }
          add_panel_gradients(block, gradients, b, kv_head, panel);
        }
      }
    }
    return true;
  }

  [[nodiscard]] std::int64_t workspace_bytes() const override { return scratch_.bytes(); }

 private:
  /// Where a query tile meets a key panel.
  struct Position {
    std::int64_t batch;
    std::int64_t head;
    std::int64_t kv_head;
    std::int64_t panel;  ///< first key
    std::int64_t query;  ///< first query
  };

  [[nodiscard]] std::int64_t panel_floats() const {
    const std::int64_t forward = 2 * forward_panel * padded_head_;
    const std::int64_t backward = 5 * backward_panel * padded_head_;
    return std::max(forward, backward);
  }
  [[nodiscard]] std::int64_t scratch_floats() const {
    return 3 * query_tile * padded_head_ + 2 * query_tile * key_tile + 2 * query_tile + panel_floats();
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

  void assign_segments(const BlockMask& mask, std::int64_t sequence) {
    has_segments_ = mask.has_segments();
    if (has_segments_) {
      query_segments_.assign(mask.query_segments, sequence, query_tile);
      key_segments_.assign(mask.key_segments, sequence, key_tile);
    }
  }

  /// The first query of the first tile in which some query sees key `key`.
  static std::int64_t first_visible_query(const BlockMask& mask, std::int64_t key, std::int64_t queries) {
    if (!mask.is_causal) {
      return 0;
    }
    const std::int64_t first = std::clamp<std::int64_t>(key - safe_diagonal(mask), 0, queries);
    return first == queries ? queries : first / query_tile * query_tile;
  }

  [[nodiscard]] PackTile rows_of(const ConstActivationView& from, std::int64_t b, std::int64_t head, std::int64_t token,
                                 std::int64_t count, float* to) const {
    const std::int64_t offset = b * from.strides[0] + token * from.strides[1] + head * from.strides[2];
    return {.source = static_cast<const std::byte*>(from.data) + offset * size_of(from.dtype),
            .dtype = from.dtype,
            .row_stride = from.strides[1],
            .rows = count,
            .columns = options_.head_size,
            .target = to,
            .leading = padded_head_};
  }

  /// Packs key_tile tokens at a time, transposed: `to` holds one (D, key_tile) matrix a tile.
  void pack_transposed_panel(const ConstActivationView& from, std::int64_t b, std::int64_t head, std::int64_t panel,
                             std::int64_t count, float* to) const {
    for (std::int64_t key = 0; key < count; key += key_tile) {
      PackTile tile = rows_of(from, b, head, panel + key, std::min(key_tile, count - key), to + key * padded_head_);
      tile.leading = key_tile;
      kernels_.pack_transposed(tile);
    }
  }

  static std::int64_t panel_keys(std::int64_t panel, std::int64_t panel_size, std::int64_t tokens) {
    return std::min(panel_size, tokens - panel);
  }

  void pack_forward_panel(const ForwardBlock& block, std::int64_t b, std::int64_t kv_head, std::int64_t panel) {
    const std::int64_t count = panel_keys(panel, forward_panel, block.k.tokens());
    k_transposed_ = panel_;
    v_ = panel_ + forward_panel * padded_head_;
    pack_transposed_panel(block.k, b, kv_head, panel, count, k_transposed_);
    kernels_.pack(rows_of(block.v, b, kv_head, panel, count, v_));
  }

  void pack_backward_panel(const BackwardBlock& block, std::int64_t b, std::int64_t kv_head, std::int64_t panel) {
    const std::int64_t count = panel_keys(panel, backward_panel, block.k.tokens());
    const std::int64_t floats = backward_panel * padded_head_;
    k_ = panel_;
    k_transposed_ = panel_ + floats;
    v_transposed_ = panel_ + 2 * floats;
    dk_ = panel_ + 3 * floats;
    dv_ = panel_ + 4 * floats;
    kernels_.pack(rows_of(block.k, b, kv_head, panel, count, k_));
    pack_transposed_panel(block.k, b, kv_head, panel, count, k_transposed_);
    pack_transposed_panel(block.v, b, kv_head, panel, count, v_transposed_);
    std::fill_n(dk_, 2 * floats, 0.0F);
  }

  /// The tile of scores at `key` of a panel: its mask, or nothing when no query of the tile sees a key of it.
  [[nodiscard]] bool make_tile_mask(const BlockMask& mask, std::int64_t query, std::int64_t rows, std::int64_t key,
                                    std::int64_t columns, TileMask& tile) const {
    tile = {.rows = rows, .columns = columns, .first_row_visible = all_visible};
    if (mask.is_causal) {
      tile.first_row_visible = std::clamp(query + safe_diagonal(mask) - key + 1, -all_visible, all_visible);
      if (tile.first_row_visible + rows - 1 <= 0) {
        return false;
      }
    }
    if (has_segments_) {
      const SegmentRange& queries = query_segments_.range(query);
      const SegmentRange& keys = key_segments_.range(key);
      if (!queries.intersects(keys)) {
        return false;
      }
      if (!queries.is_one_document_with(keys)) {
        tile.query_segments = query_segments_.ids(query);
        tile.key_segments = key_segments_.ids(key);
      }
    }
    return true;
  }

  void multiply_scores(const float* left, const float* right_transposed, std::int64_t rows, float* result) const {
    kernels_.multiply({.m = rows,
                       .n = key_tile,
                       .k = options_.head_size,
                       .a = left,
                       .a_row_stride = padded_head_,
                       .a_column_stride = 1,
                       .b = right_transposed,
                       .b_leading = key_tile,
                       .c = result,
                       .c_leading = key_tile,
                       .accumulate = false});
  }

  /// result (rows, D) += tile (rows, keys) * right (keys, D)
  void add_tile_product(const float* tile, const float* right, std::int64_t rows, std::int64_t keys,
                        float* result) const {
    kernels_.multiply({.m = rows,
                       .n = padded_head_,
                       .k = keys,
                       .a = tile,
                       .a_row_stride = key_tile,
                       .a_column_stride = 1,
                       .b = right,
                       .b_leading = padded_head_,
                       .c = result,
                       .c_leading = padded_head_,
                       .accumulate = true});
  }

  /// result (keys, D) += tile (rows, keys)^T * right (rows, D)
  void add_transposed_tile_product(const float* tile, const float* right, std::int64_t rows, std::int64_t keys,
                                   float* result) const {
    kernels_.multiply({.m = keys,
                       .n = padded_head_,
                       .k = rows,
                       .a = tile,
                       .a_row_stride = 1,
                       .a_column_stride = key_tile,
                       .b = right,
                       .b_leading = padded_head_,
                       .c = result,
                       .c_leading = padded_head_,
                       .accumulate = true});
  }

  void forward_query_tile(const ForwardBlock& block, const AttentionState& state, const Position& at) {
    const std::int64_t rows = std::min(query_tile, block.q.tokens() - at.query);
    const std::int64_t count = panel_keys(at.panel, forward_panel, block.k.tokens());
    bool is_loaded = false;
    for (std::int64_t key = 0; key < count; key += key_tile) {
      const std::int64_t columns = std::min(key_tile, count - key);
      TileMask mask;
      if (!make_tile_mask(block.mask, at.query, rows, at.panel + key, columns, mask)) {
        continue;
      }
      if (!is_loaded) {
        kernels_.pack(rows_of(block.q, at.batch, at.head, at.query, rows, q_));
        load_state(state, at, rows);
        is_loaded = true;
      }
      multiply_scores(q_, k_transposed_ + key * padded_head_, rows, scores_);
      kernels_.softmax({.mask = mask,
                        .scale = options_.scale,
                        .scores = scores_,
                        .maximum = row_a_,
                        .sum = row_b_,
                        .output = output_,
                        .output_leading = padded_head_});
      add_tile_product(scores_, v_ + key * padded_head_, rows, columns, output_);
    }
    if (is_loaded) {
      store_state(state, at, rows);
    }
  }

  void load_state(const AttentionState& state, const Position& at, std::int64_t rows) {
    for (std::int64_t row = 0; row < rows; ++row) {
      row_a_[row] = state.maximum(at.batch, at.head, at.query + row);
      row_b_[row] = state.sum(at.batch, at.head, at.query + row);
      float* to = output_ + row * padded_head_;
      std::copy_n(&state.output(at.batch, at.head, at.query + row, 0), options_.head_size, to);
      std::fill_n(to + options_.head_size, padded_head_ - options_.head_size, 0.0F);
    }
  }

  void store_state(const AttentionState& state, const Position& at, std::int64_t rows) const {
    for (std::int64_t row = 0; row < rows; ++row) {
      state.maximum(at.batch, at.head, at.query + row) = row_a_[row];
      state.sum(at.batch, at.head, at.query + row) = row_b_[row];
      std::copy_n(output_ + row * padded_head_, options_.head_size,
                  &state.output(at.batch, at.head, at.query + row, 0));
    }
  }

  void backward_query_tile(const BackwardBlock& block, const BlockGradients& gradients, const Position& at) {
    const std::int64_t rows = std::min(query_tile, block.q.tokens() - at.query);
    const std::int64_t count = panel_keys(at.panel, backward_panel, block.k.tokens());
    float* dq = output_;
    bool is_loaded = false;
    for (std::int64_t key = 0; key < count; key += key_tile) {
      const std::int64_t columns = std::min(key_tile, count - key);
      TileMask mask;
      if (!make_tile_mask(block.mask, at.query, rows, at.panel + key, columns, mask)) {
        continue;
      }
      if (!is_loaded) {
        kernels_.pack(rows_of(block.q, at.batch, at.head, at.query, rows, q_));
        kernels_.pack(rows_of(block.dout, at.batch, at.head, at.query, rows, dout_));
        for (std::int64_t row = 0; row < rows; ++row) {
          row_a_[row] = block.lse(at.batch, at.head, at.query + row);
          row_b_[row] = block.delta(at.batch, at.head, at.query + row);
        }
        std::fill_n(dq, rows * padded_head_, 0.0F);
        is_loaded = true;
      }
      const std::int64_t offset = key * padded_head_;
      multiply_scores(q_, k_transposed_ + offset, rows, scores_);
      multiply_scores(dout_, v_transposed_ + offset, rows, probability_gradient_);
      kernels_.gradient({.mask = mask,
                         .scale = options_.scale,
                         .scores = scores_,
                         .probability_gradient = probability_gradient_,
                         .lse = row_a_,
                         .delta = row_b_});
      add_transposed_tile_product(scores_, dout_, rows, columns, dv_ + offset);
      add_transposed_tile_product(probability_gradient_, q_, rows, columns, dk_ + offset);
      add_tile_product(probability_gradient_, k_ + offset, rows, columns, dq);
    }
    if (is_loaded) {
      add_rows(dq, rows, gradients.dq, at.batch, at.head, at.query);
    }
  }

  void add_panel_gradients(const BackwardBlock& block, const BlockGradients& gradients, std::int64_t b,
                           std::int64_t kv_head, std::int64_t panel) const {
    const std::int64_t count = panel_keys(panel, backward_panel, block.k.tokens());
    add_rows(dk_, count, gradients.dk, b, kv_head, panel);
    add_rows(dv_, count, gradients.dv, b, kv_head, panel);
  }

  void add_rows(const float* from, std::int64_t rows, const TensorView<float, 4>& to, std::int64_t b, std::int64_t head,
                std::int64_t token) const {
    for (std::int64_t row = 0; row < rows; ++row) {
      float* target = &to(b, token + row, head, 0);
      for (std::int64_t d = 0; d < options_.head_size; ++d) {
        target[d] += from[row * padded_head_ + d];
      }
    }
  }

  BlockAttentionOptions options_;
  std::int64_t padded_head_;
  const TileKernels& kernels_;
  Buffer scratch_;
  float* q_ = nullptr;                     // (query_tile, padded head)
  float* dout_ = nullptr;                  // (query_tile, padded head)
  float* output_ = nullptr;                // (query_tile, padded head): o in forward, dq in backward
  float* scores_ = nullptr;                // (query_tile, key_tile)
  float* probability_gradient_ = nullptr;  // (query_tile, key_tile)
  float* row_a_ = nullptr;                 // (query_tile): maximum in forward, lse in backward
  float* row_b_ = nullptr;                 // (query_tile): sum in forward, delta in backward
  float* panel_ = nullptr;                 // what the next six point into
  float* k_ = nullptr;                     // (panel, padded head)
  float* k_transposed_ = nullptr;          // tiles of (head, key_tile)
  float* v_ = nullptr;                     // (panel, padded head)
  float* v_transposed_ = nullptr;          // tiles of (head, key_tile)
  float* dk_ = nullptr;                    // (panel, padded head)
  float* dv_ = nullptr;                    // (panel, padded head)
  bool has_segments_ = false;
  SegmentTiles query_segments_;
  SegmentTiles key_segments_;
};

}  // namespace

std::unique_ptr<BlockAttention> make_host_block_attention(const BlockAttentionOptions& options) {
  return std::make_unique<HostBlockAttention>(options, selected_isa());
}

}  // namespace ringworld
