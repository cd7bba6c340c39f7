#include "kernels/attention/host/backward.hpp"

namespace ringworld::host_attention {

/// Keys `first <= j < first + count`. Operands lie in the leader's panel; sums in each thread's own.
struct BackwardPass::Panel {
  std::int64_t first;
  std::int64_t count;
  Word* k;             // (count / depth_per_word, D), the rows are the depth
  Word* k_transposed;  // a (D / depth_per_word, key_tile) matrix a tile
  Word* v_transposed;  // the same
  float* dk;           // a (D, key_tile) matrix a tile: dK^T
  float* dv;           // the same
  TokenBits* zeroed;   // of each tile: keys that are not finite
};

/// The forms of a tile of q and dout: the columns as depth, and the rows as depth.
struct BackwardPass::QueryTile {
  const Word* q;
  const Word* q_row_depth;
  const Word* dout;
  const Word* dout_row_depth;
  TokenBits zeroed;  // queries whose q or dout is not finite
};

BackwardPass::Panel BackwardPass::panel_of(Scratch& scratch, std::int64_t first) const {
  const std::int64_t size = backward_panel_keys(scratch.padded_head);
  const std::int64_t words = size * scratch.padded_head;
  return {.first = first,
          .count = std::min(size, tiling.keys() - first),
          .k = scratch.panel,
          .k_transposed = scratch.panel + words,
          .v_transposed = scratch.panel + 2 * words,
          .dk = reinterpret_cast<float*>(scratch.panel + 3 * words),
          .dv = reinterpret_cast<float*>(scratch.panel + 4 * words),
          .zeroed = scratch.zeroed_keys};
}

void BackwardPass::walk(const Walker& walker, std::int64_t batch, std::int64_t kv_head) const {
  const std::int64_t group = block.q.heads() / block.k.heads();
  const std::int64_t panel_size = backward_panel_keys(walker.own->padded_head);
  for (std::int64_t first = 0; first < tiling.keys(); first += panel_size) {
    const std::int64_t first_query = tiling.first_visible_query(first);
    const std::int64_t tiles = (tiling.queries() - first_query + query_tile - 1) / query_tile;
    if (tiles <= 0) {
      continue;
    }
    const Panel sums = panel_of(*walker.own, first);
    Panel panel = panel_of(*walker.leader, first);
    pack_panel(walker, batch, kv_head, panel);
    panel.dk = sums.dk;
    panel.dv = sums.dv;
    std::fill_n(panel.dk, 2 * panel_size * walker.own->padded_head, 0.0F);
    walker.wait_for_group();
    for (std::int64_t index = 0; index < group * tiles; ++index) {
      if (walker.owns(index) && !walker.steering->is_stopped()) {
        query_tile_over(panel, *walker.own, batch, kv_head * group + index / tiles,
                        first_query + index % tiles * query_tile);
        static_cast<void>(walker.steering->proceed(walker.thread));
      }
    }
    walker.wait_for_group();
    add_panel_gradients(walker, batch, kv_head, first);
    walker.wait_for_group();
  }
}

void BackwardPass::pack_panel(const Walker& walker, std::int64_t batch, std::int64_t kv_head,
                              const Panel& panel) const {
  const std::int64_t padded_head = walker.own->padded_head;
  const std::int64_t words = block.q.head_size() / kernels.depth_per_word;
  Word* staging = walker.own->tiles[0];
  for (std::int64_t key = 0; key < panel.count; key += key_tile) {
    if (!walker.owns(key / key_tile)) {
      continue;
    }
    const std::int64_t rows = std::min(key_tile, panel.count - key);
    const auto pack_transposed = [&](const ConstActivationView& from, Word* target) {
      kernels.pack(rows_of(from, batch, kv_head, panel.first + key, rows, staging, padded(words)));
      kernels.transpose({.source = staging,
                         .source_leading = padded(words),
                         .rows = rows,
                         .columns = words,
                         .target = target + key * padded_head,
                         .target_leading = key_tile,
                         .padded_rows = key_tile});
    };
    pack_transposed(block.k, panel.k_transposed);
    pack_transposed(block.v, panel.v_transposed);
    panel.zeroed[key / key_tile] =
        kernels.pack_row_depth(rows_of(block.k, batch, kv_head, panel.first + key, rows,
                                       panel.k + key / kernels.depth_per_word * padded_head, padded_head));
  }
}

void BackwardPass::query_tile_over(const Panel& panel, Scratch& scratch, std::int64_t batch, std::int64_t head,
                                   std::int64_t query) const {
  const std::int64_t padded_head = scratch.padded_head;
  const std::int64_t depth_per_word = kernels.depth_per_word;
  float* dq = scratch.output;
  QueryTile tile{};
  std::int64_t rows = 0;
  for (std::int64_t key = 0; key < panel.count; key += key_tile) {
    TileMask mask;
    if (!tiling.make_mask({.batch = batch, .query = query, .key = panel.first + key}, mask)) {
      continue;
    }
    if (rows == 0) {
      rows = mask.queries;
      tile = load_tile(scratch, batch, head, query, rows);
      std::fill_n(dq, rows * padded_head, 0.0F);
    }
    mask.queries = mask.query_end;
    mask.zeroed_queries = tile.zeroed;
    mask.zeroed_keys = panel.zeroed[key / key_tile];
    const std::int64_t offset = key * padded_head;
    multiply_scores(tile.q, panel.k_transposed + offset, mask.queries, scratch.scores);
    multiply_scores(tile.dout, panel.v_transposed + offset, mask.queries, scratch.probability_gradient);
    kernels.gradient({.mask = mask,
                      .scores = scratch.scores,
                      .probability_gradient = scratch.probability_gradient,
                      .key_depth = scratch.key_depth,
                      .maximum = scratch.maximum,
                      .inverse_sum = scratch.sum,
                      .scaled_delta = scratch.scaled_delta,
                      .largest_excess = largest_score_excess});
    add_key_gradient(tile.dout_row_depth, scratch.scores, mask.queries, panel.dv + offset, padded_head);
    add_key_gradient(tile.q_row_depth, scratch.probability_gradient, mask.queries, panel.dk + offset, padded_head);
    // dQ (queries, D) += dS K
    const bool is_paired = depth_per_word > 1;
    kernels.multiply({.m = mask.queries,
                      .n = padded_head,
                      .k = (mask.keys + depth_per_word - 1) / depth_per_word,
                      .a = is_paired ? scratch.key_depth : reinterpret_cast<const Word*>(scratch.probability_gradient),
                      .a_row_stride = key_tile / depth_per_word,
                      .a_depth_stride = 1,
                      .b = panel.k + offset / depth_per_word,
                      .b_leading = padded_head,
                      .c = dq,
                      .c_leading = padded_head,
                      .accumulate = true});
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    float* target = &gradients.dq(batch, query + row, head, 0);
    for (std::int64_t d = 0; d < block.q.head_size(); ++d) {
      target[d] += dq[row * padded_head + d];
    }
  }
}

BackwardPass::QueryTile BackwardPass::load_tile(Scratch& scratch, std::int64_t batch, std::int64_t head,
                                                std::int64_t query, std::int64_t rows) const {
  const std::int64_t padded_head = scratch.padded_head;
  TokenBits zeroed = 0;
  const auto pack = [&](const ConstActivationView& from, Word* columns, Word* row_depth) {
    if (kernels.depth_per_word == 1) {
      row_depth = columns;  // both depths are the same matrix
    } else {
      kernels.pack(rows_of(from, batch, head, query, rows, columns, padded(from.head_size() / kernels.depth_per_word)));
    }
    zeroed |= kernels.pack_row_depth(rows_of(from, batch, head, query, rows, row_depth, padded_head));
    return row_depth;
  };
  const Word* q_row_depth = pack(block.q, scratch.tiles[0], scratch.tiles[1]);
  const Word* dout_row_depth = pack(block.dout, scratch.tiles[2], scratch.tiles[3]);
  for (std::int64_t row = 0; row < query_tile; ++row) {
    const bool is_query = row < rows;
    const float sum = is_query ? block.sum(batch, head, query + row) : 0.0F;
    scratch.maximum[row] = is_query ? block.maximum(batch, head, query + row) : 0.0F;
    scratch.sum[row] = sum == 0.0F ? 0.0F : 1.0F / sum;
    scratch.scaled_delta[row] = is_query ? scale * block.delta(batch, head, query + row) : 0.0F;
  }
  return {.q = scratch.tiles[0],
          .q_row_depth = q_row_depth,
          .dout = scratch.tiles[2],
          .dout_row_depth = dout_row_depth,
          .zeroed = zeroed};
}

/// Scaled S or dP (queries, keys) = scale * left (queries, D) right (D, keys)
void BackwardPass::multiply_scores(const Word* left, const Word* right, std::int64_t rows, float* result) const {
  const std::int64_t words = block.q.head_size() / kernels.depth_per_word;
  kernels.multiply({.m = rows,
                    .n = key_tile,
                    .k = words,
                    .a = left,
                    .a_row_stride = padded(words),
                    .a_depth_stride = 1,
                    .b = right,
                    .b_leading = key_tile,
                    .c = result,
                    .c_leading = key_tile,
                    .accumulate = false,
                    .scale = scale});
}

/// dV^T or dK^T (D, keys) += left (queries, D)^T right (queries, keys)
void BackwardPass::add_key_gradient(const Word* left, const float* right, std::int64_t rows, float* result,
                                    std::int64_t padded_head) const {
  kernels.multiply({.m = block.q.head_size(),
                    .n = key_tile,
                    .k = (rows + kernels.depth_per_word - 1) / kernels.depth_per_word,
                    .a = left,
                    .a_row_stride = 1,
                    .a_depth_stride = padded_head,
                    .b = reinterpret_cast<const Word*>(right),
                    .b_leading = key_tile,
                    .c = result,
                    .c_leading = key_tile,
                    .accumulate = true});
}

void BackwardPass::add_panel_gradients(const Walker& walker, std::int64_t batch, std::int64_t kv_head,
                                       std::int64_t first) const {
  const std::int64_t padded_head = walker.own->padded_head;
  const std::int64_t head_size = block.q.head_size();
  auto* rows_of_tile = reinterpret_cast<float*>(walker.own->tiles[0]);
  const Panel own = panel_of(*walker.own, first);
  for (std::int64_t key = 0; key < own.count; key += key_tile) {
    if (!walker.owns(key / key_tile)) {
      continue;
    }
    const std::int64_t rows = std::min(key_tile, own.count - key);
    const auto add = [&](float* Panel::* sums, const TensorView<float, 4>& target) {
      for (int member = 0; member < walker.group.size; ++member) {
        Scratch& scratch = walker.group.size == 1 ? *walker.own : (*walker.all)[static_cast<std::size_t>(member)];
        const float* transposed = panel_of(scratch, first).*sums + key * padded_head;
        kernels.transpose({.source = reinterpret_cast<const Word*>(transposed),
                           .source_leading = key_tile,
                           .rows = head_size,
                           .columns = rows,
                           .target = reinterpret_cast<Word*>(rows_of_tile),
                           .target_leading = padded_head,
                           .padded_rows = head_size});
        for (std::int64_t row = 0; row < rows; ++row) {
          float* to = &target(batch, first + key + row, kv_head, 0);
          for (std::int64_t d = 0; d < head_size; ++d) {
            to[d] += rows_of_tile[row * padded_head + d];
          }
        }
      }
    };
    add(&Panel::dk, gradients.dk);
    add(&Panel::dv, gradients.dv);
  }
}

}  // namespace ringworld::host_attention
