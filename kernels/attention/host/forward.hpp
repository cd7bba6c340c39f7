#pragma once
/// @file  The forward pass over one (sequence, key/value head) pair.

#include "kernels/attention/host/team_walk.hpp"

namespace ringworld::host_attention {

struct ForwardPass {
  const TileKernels& kernels;
  float scale;
  const ForwardBlock& block;
  const AttentionState& state;
  const BlockTiling& tiling;

  void walk(const Walker& walker, std::int64_t batch, std::int64_t kv_head) const;

 private:
  struct Panel;
  void pack_panel(const Walker& walker, std::int64_t batch, std::int64_t kv_head, const Panel& panel) const;
  void query_tile_over(const Panel& panel, Scratch& scratch, std::int64_t batch, std::int64_t head,
                       std::int64_t query) const;
  void load_tile(Scratch& scratch, std::int64_t batch, std::int64_t head, std::int64_t query, std::int64_t rows) const;
  void store_tile(const Scratch& scratch, std::int64_t batch, std::int64_t head, std::int64_t query,
                  std::int64_t rows) const;
};

}  // namespace ringworld::host_attention
