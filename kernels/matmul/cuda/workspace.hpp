#pragma once
/// @file  Scratch memory that a product object holds on the GPU.

#include <cstdint>

namespace ringworld {

/// What cuBLAS recommends for Hopper, the largest that it asks for. (Its own workspace would be in no account.)
inline constexpr std::int64_t cuda_matmul_workspace_bytes = std::int64_t{32} << 20;

}  // namespace ringworld
