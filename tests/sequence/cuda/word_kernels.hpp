#pragma once
/// @file  Kernels on the integers that tests send round a ring of GPUs.

#include <cstdint>
#include <span>

namespace ringworld::test {

/// words[i] = first + i. Enqueues on the compute stream.
void count_up(std::int64_t first, std::span<std::int64_t> words);
/// to[i] += from[i]. Enqueues on the compute stream.
void add_words(std::span<const std::int64_t> from, std::span<std::int64_t> to);

}  // namespace ringworld::test
