#pragma once
/// @file  A thread's scratch memory, and what every pass over a block is given.

#include <algorithm>
#include <cstdint>
#include <utility>

#include "device/buffer.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/attention/host/tiling.hpp"

namespace ringworld::host_attention {

/// One thread's tiles and panel, carved out of one buffer. D is the head size padded to whole registers; a matrix of
/// bf16 pairs fills half of its place.
struct Scratch {
  explicit Scratch(std::int64_t head_size)
      : padded_head(padded(head_size)),
        memory(words() * static_cast<std::int64_t>(sizeof(Word)), DeviceKind::host, MemoryUse::attention) {
    Word* next = memory.as<Word>();
    const auto take = [&next](std::int64_t count) { return std::exchange(next, next + count); };
    const auto take_floats = [&take](std::int64_t count) { return reinterpret_cast<float*>(take(count)); };
    for (Word*& tile : tiles) {
      tile = take(query_tile * padded_head);
    }
    output = take_floats(query_tile * padded_head);
    scores = take_floats(query_tile * key_tile);
    probability_gradient = take_floats(query_tile * key_tile);
    key_depth = take(query_tile * key_tile / 2);
    maximum = take_floats(query_tile);
    sum = take_floats(query_tile);
    scaled_delta = take_floats(query_tile);
    panel = take(panel_words());
  }

  std::int64_t padded_head;
  Buffer memory;
  Word* tiles[4] = {};                    // (query_tile, D) each: forms of q and dout
  float* output = nullptr;                // (D, query_tile) o^T in forward, (query_tile, D) dq in backward
  float* scores = nullptr;                // (key_tile, query_tile) in forward, (query_tile, key_tile) in backward
  float* probability_gradient = nullptr;  // (query_tile, key_tile)
  Word* key_depth = nullptr;              // (query_tile, key_tile / 2): GradientTile::key_depth
  float* maximum = nullptr;               // (query_tile)
  float* sum = nullptr;                   // (query_tile), its inverse in backward
  float* scaled_delta = nullptr;          // (query_tile), in backward
  Word* panel = nullptr;                  // what stays over all query tiles
  TokenBits zeroed_keys[most_panel_tiles] = {};  // of the panel's tiles

 private:
  [[nodiscard]] std::int64_t panel_words() const {
    return padded_head * std::max(2 * forward_panel_keys(padded_head), 5 * backward_panel_keys(padded_head));
  }
  [[nodiscard]] std::int64_t words() const {
    return 5 * query_tile * padded_head + 2 * query_tile * key_tile + query_tile * key_tile / 2 + 3 * query_tile +
           panel_words();
  }
};

}  // namespace ringworld::host_attention
