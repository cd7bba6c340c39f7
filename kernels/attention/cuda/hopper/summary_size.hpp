#pragma once
/// @file  Which blocks the Hopper path takes, and the size of its summaries of document ids (document_summary.cuh): what
/// says how much memory it needs.

#include <cstdint>

namespace ringworld::cuda::hopper {

/// Whether there are kernels for heads of this size; other heads take the paths that every GPU has.
[[nodiscard]] constexpr bool takes_head_size(std::int64_t head_size) { return head_size == 64 || head_size == 128; }

/// Tokens of a summary; every tile is a whole number of them.
inline constexpr int summary_tokens = 64;
inline constexpr std::int64_t summary_bytes = 8;

}  // namespace ringworld::cuda::hopper
