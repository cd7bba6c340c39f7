#pragma once
/// @file  Extents of one rank's share of the model.

#include <cstdint>

#include "core/dtype.hpp"
#include "model/config.hpp"

namespace ringworld {

/// H, Hkv and F are those of one tensor-parallel rank.
struct LocalShape {
  std::int64_t batch = 0;        ///< B
  std::int64_t tokens = 0;       ///< T
  std::int64_t hidden_size = 0;  ///< C
  std::int64_t heads = 0;        ///< H
  std::int64_t kv_heads = 0;     ///< Hkv
  std::int64_t head_size = 0;    ///< D
  std::int64_t ffn_size = 0;     ///< F
  DType dtype = DType::float32;  ///< of activations
  bool has_query_key_norm = false;

  [[nodiscard]] std::int64_t rows() const { return batch * tokens; }
  [[nodiscard]] std::int64_t query_size() const { return heads * head_size; }
  [[nodiscard]] std::int64_t key_size() const { return kv_heads * head_size; }
  /// Columns of q, k and v side by side.
  [[nodiscard]] std::int64_t qkv_size() const { return query_size() + 2 * key_size(); }
};

/// @pre tp divides heads, kv_heads and ffn_size
[[nodiscard]] inline LocalShape local_shape(const ModelConfig& config, std::int64_t tp, std::int64_t batch,
                                            std::int64_t tokens, DType dtype) {
  return {.batch = batch,
          .tokens = tokens,
          .hidden_size = config.hidden_size,
          .heads = config.heads / tp,
          .kv_heads = config.kv_heads / tp,
          .head_size = config.head_size,
          .ffn_size = config.ffn_size / tp,
          .dtype = dtype,
          .has_query_key_norm = config.has_query_key_norm};
}

}  // namespace ringworld
