#pragma once
/// @file  The problem that attention solves, whatever the schedule.

#include <cstdint>

#include "core/dtype.hpp"

namespace ringworld {

/// A sequence's extents and types.
struct AttentionProblem {
  std::int64_t context_length = 0;    ///< S
  std::int64_t batch = 1;             ///< B
  std::int64_t heads = 0;             ///< H
  std::int64_t kv_heads = 0;          ///< Hkv
  std::int64_t head_size = 0;         ///< D
  DType dtype = DType::float32;       ///< q, k, v, out, dout in memory
  DType wire_dtype = DType::float32;  ///< activations while they travel
  bool has_documents = false;         ///< whether document ids travel too
};

enum class AttentionPass : std::uint8_t { forward, backward, forward_backward };

}  // namespace ringworld
