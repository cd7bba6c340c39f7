#pragma once
/// @file  Which kernels attention runs on a GPU, in words: for people.

#include <string_view>

namespace ringworld {

/// @param compute_capability  10 major + minor: 80, 90, ...
/// @param has_hopper_kernels  whether the build has those for sm_90a
/// @return which tensor-core instructions bf16 attention uses there, and whether the kernels are tuned for that GPU. As
///         the cuda backend chooses (cuda/path.hpp) for a block that its first path takes.
[[nodiscard]] std::string_view describe_gpu_attention(int compute_capability, bool has_hopper_kernels);

/// Of this build.
[[nodiscard]] std::string_view describe_gpu_attention(int compute_capability);

}  // namespace ringworld
