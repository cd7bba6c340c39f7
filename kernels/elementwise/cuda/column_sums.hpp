#pragma once
/// @file  The second half of sums over rows on NVIDIA GPUs: partial sums of ranges of rows become one row.
///
///   rows    0 ... | ... | ... T         ranges of rows, a kernel's first half
///             v      v     v
///   partial (ranges, C) fp32            then add_partial_sums

#include <algorithm>
#include <cstdint>

namespace ringworld::row {

/// Ranges into which the rows of a sum are cut: by the shape alone, so that every GPU adds up in the same order.
[[nodiscard]] constexpr std::int64_t sum_ranges(std::int64_t rows) {
  constexpr std::int64_t fewest_rows = 8;  // of a range: the partial sums stay a small part of what is read
  constexpr std::int64_t most_ranges = 512;
  return std::clamp<std::int64_t>(rows / fewest_rows, 1, most_ranges);
}

/// Enqueues sums[c] += sum over ranges of partial(range, c), in double and in an order that depends on `ranges` alone.
/// @param partial (ranges, columns), dense, device memory     @param sums (columns), device memory
void add_partial_sums(const float* partial, std::int64_t ranges, std::int64_t columns, float* sums);

}  // namespace ringworld::row
