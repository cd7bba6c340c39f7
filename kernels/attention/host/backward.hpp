#pragma once
/// @file  The backward pass over one (sequence, key/value head) pair.

#include "kernels/attention/host/team_walk.hpp"

namespace ringworld::host_attention {

struct BackwardPass {
  const TileKernels& kernels;
  float scale;
  const BackwardBlock& block;
  const BlockGradients& gradients;
  const BlockTiling& tiling;

  void walk(const Walker& walker, std::int64_t batch, std::int64_t kv_head) const;

 private:
  struct Panel;
  struct QueryTile;
  [[nodiscard]] Panel panel_of(Scratch& scratch, std::int64_t first) const;
  void pack_panel(const Walker& walker, std::int64_t batch, std::int64_t kv_head, const Panel& panel) const;
  void query_tile_over(const Panel& panel, Scratch& scratch, std::int64_t batch, std::int64_t head,
                       std::int64_t query) const;
  [[nodiscard]] QueryTile load_tile(Scratch& scratch, std::int64_t batch, std::int64_t head, std::int64_t query,
                                    std::int64_t rows) const;
  void multiply_scores(const Word* left, const Word* right, std::int64_t rows, float* result) const;
  void add_key_gradient(const Word* left, const float* right, std::int64_t rows, float* result,
                        std::int64_t padded_head) const;
  void add_panel_gradients(const Walker& walker, std::int64_t batch, std::int64_t kv_head, std::int64_t first) const;
};

}  // namespace ringworld::host_attention
