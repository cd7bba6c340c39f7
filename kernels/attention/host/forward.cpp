#include "kernels/attention/host/forward.hpp"

#include <algorithm>

#include "kernels/attention/minus_infinity.hpp"

namespace ringworld::host_attention {

/// Keys `first <= j < first + count`, packed in the leader's panel.
struct ForwardPass::Panel {
  std::int64_t first;
  std::int64_t count;
  Word* k;  // (count, k_leading), the columns are the depth
  std::int64_t k_leading;
  Word* v;  // (count / depth_per_word, v_leading), the rows are the depth
  std::int64_t v_leading;
  TokenBits* zeroed;  // of each tile: values that are not finite
};

void ForwardPass::walk(const Walker& walker, std::int64_t batch, std::int64_t kv_head) const {
  const std::int64_t group = block.q.heads() / block.k.heads();
  const std::int64_t padded_head = walker.own->padded_head;
  const std::int64_t panel_size = forward_panel_keys(padded_head);
  for (std::int64_t first = 0; first < tiling.keys(); first += panel_size) {
    const std::int64_t first_query = tiling.first_visible_query(first);
    const std::int64_t tiles = (tiling.queries() - first_query + query_tile - 1) / query_tile;
    if (tiles <= 0) {
      continue;
    }
    const Panel panel{.first = first,
                      .count = std::min(panel_size, tiling.keys() - first),
                      .k = walker.leader->panel,
                      .k_leading = padded(block.q.head_size() / kernels.depth_per_word),
                      .v = walker.leader->panel + panel_size * padded_head,
                      .v_leading = padded_head,
                      .zeroed = walker.leader->zeroed_keys};
    pack_panel(walker, batch, kv_head, panel);
    walker.wait_for_group();
    for (std::int64_t index = 0; index < group * tiles; ++index) {
      if (walker.owns(index) && !walker.steering->is_stopped()) {
        query_tile_over(panel, *walker.own, batch, kv_head * group + index / tiles,
                        first_query + index % tiles * query_tile);
        static_cast<void>(walker.steering->proceed(walker.thread));
      }
    }
    walker.wait_for_group();
  }
}

void ForwardPass::pack_panel(const Walker& walker, std::int64_t batch, std::int64_t kv_head, const Panel& panel) const {
  for (std::int64_t key = 0; key < panel.count; key += key_tile) {
    if (walker.owns(key / key_tile)) {
      const std::int64_t rows = std::min(key_tile, panel.count - key);
      kernels.pack(
          rows_of(block.k, batch, kv_head, panel.first + key, rows, panel.k + key * panel.k_leading, panel.k_leading));
      panel.zeroed[key / key_tile] =
          kernels.pack_row_depth(rows_of(block.v, batch, kv_head, panel.first + key, rows,
                                         panel.v + key / kernels.depth_per_word * panel.v_leading, panel.v_leading));
    }
  }
}

void ForwardPass::query_tile_over(const Panel& panel, Scratch& scratch, std::int64_t batch, std::int64_t head,
                                  std::int64_t query) const {
  const std::int64_t head_size = block.q.head_size();
  const std::int64_t depth_per_word = kernels.depth_per_word;
  Word* q_transposed = scratch.tiles[1];
  std::int64_t rows = 0;
  for (std::int64_t tile_key = 0; tile_key < panel.count; tile_key += key_tile) {
    TileMask mask;
    if (!tiling.make_mask({.batch = batch, .query = query, .key = panel.first + tile_key}, mask)) {
      continue;
    }
    mask.zeroed_keys = panel.zeroed[tile_key / key_tile];
    const std::int64_t unseen = mask.key_begin / depth_per_word * depth_per_word;
    mask = mask.from_key(unseen);
    const std::int64_t key = tile_key + unseen;
    if (rows == 0) {
      rows = mask.queries;
      load_tile(scratch, batch, head, query, rows);
    }
    // S^T (keys, queries) = K Q^T
    kernels.multiply({.m = mask.keys,
                      .n = query_tile,
                      .k = head_size / depth_per_word,
                      .a = panel.k + key * panel.k_leading,
                      .a_row_stride = panel.k_leading,
                      .a_depth_stride = 1,
                      .b = q_transposed,
                      .b_leading = query_tile,
                      .c = scratch.scores,
                      .c_leading = query_tile,
                      .accumulate = false,
                      .scale = scale});
    kernels.softmax({.mask = mask,
                     .scores = scratch.scores,
                     .maximum = scratch.maximum,
                     .sum = scratch.sum,
                     .output = scratch.output,
                     .head_size = head_size});
    // O^T (D, queries) += V^T P^T
    kernels.multiply({.m = head_size,
                      .n = query_tile,
                      .k = (mask.keys + depth_per_word - 1) / depth_per_word,
                      .a = panel.v + key / depth_per_word * panel.v_leading,
                      .a_row_stride = 1,
                      .a_depth_stride = panel.v_leading,
                      .b = reinterpret_cast<const Word*>(scratch.scores),
                      .b_leading = query_tile,
                      .c = scratch.output,
                      .c_leading = query_tile,
                      .accumulate = true});
  }
  if (rows > 0) {
    store_tile(scratch, batch, head, query, rows);
  }
}

void ForwardPass::load_tile(Scratch& scratch, std::int64_t batch, std::int64_t head, std::int64_t query,
                            std::int64_t rows) const {
  const std::int64_t head_size = block.q.head_size();
  const std::int64_t words = head_size / kernels.depth_per_word;
  kernels.pack(rows_of(block.q, batch, head, query, rows, scratch.tiles[0], padded(words)));
  kernels.transpose({.source = scratch.tiles[0],
                     .source_leading = padded(words),
                     .rows = rows,
                     .columns = words,
                     .target = scratch.tiles[1],
                     .target_leading = query_tile,
                     .padded_rows = query_tile});
  std::int64_t rows_with_keys = 0;
  for (std::int64_t row = 0; row < query_tile; ++row) {
    const bool is_query = row < rows;
    scratch.maximum[row] = is_query ? state.maximum(batch, head, query + row) : minus_infinity;
    scratch.sum[row] = is_query ? state.sum(batch, head, query + row) : 0.0F;
    rows_with_keys += scratch.maximum[row] != minus_infinity ? 1 : 0;
  }
  if (rows_with_keys == 0) {
    std::fill_n(scratch.output, head_size * query_tile, 0.0F);
    return;
  }
  kernels.transpose({.source = reinterpret_cast<const Word*>(&state.output(batch, head, query, 0)),
                     .source_leading = state.output.strides[2],
                     .rows = rows,
                     .columns = head_size,
                     .target = reinterpret_cast<Word*>(scratch.output),
                     .target_leading = query_tile,
                     .padded_rows = query_tile});
  if (rows_with_keys == rows) {
    return;
  }
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t d = 0; scratch.maximum[row] == minus_infinity && d < head_size; ++d) {
      scratch.output[d * query_tile + row] = 0.0F;
    }
  }
}

void ForwardPass::store_tile(const Scratch& scratch, std::int64_t batch, std::int64_t head, std::int64_t query,
                             std::int64_t rows) const {
  kernels.transpose({.source = reinterpret_cast<const Word*>(scratch.output),
                     .source_leading = query_tile,
                     .rows = block.q.head_size(),
                     .columns = rows,
                     .target = reinterpret_cast<Word*>(&state.output(batch, head, query, 0)),
                     .target_leading = state.output.strides[2],
                     .padded_rows = block.q.head_size()});
  for (std::int64_t row = 0; row < rows; ++row) {
    state.maximum(batch, head, query + row) = scratch.maximum[row];
    state.sum(batch, head, query + row) = scratch.sum[row];
  }
}

}  // namespace ringworld::host_attention
