#pragma once
/// @file  Extents of one rank's share of the model.

#include <cstdint>

#include "core/dtype.hpp"

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

  [[nodiscard]] std::int64_t rows() const { return batch * tokens; }
  [[nodiscard]] std::int64_t query_size() const { return heads * head_size; }
  [[nodiscard]] std::int64_t key_size() const { return kv_heads * head_size; }
  /// Columns of q, k and v side by side.
  [[nodiscard]] std::int64_t qkv_size() const { return query_size() + 2 * key_size(); }
};

}  // namespace ringworld
