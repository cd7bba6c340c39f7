#pragma once
/// @file  Scratch memory that an attention object holds on the GPU, documents aside.

#include <cstdint>

namespace ringworld {

/// One flag.
inline constexpr std::int64_t cuda_attention_workspace_bytes = 4;

}  // namespace ringworld
