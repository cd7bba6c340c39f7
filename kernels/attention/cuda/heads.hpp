#pragma once
/// @file  From the head size at run time to the next one that a kernel is compiled for.

#include <cstdint>
#include <type_traits>
#include <utility>

#include "core/error.hpp"

namespace ringworld::cuda {

/// Calls `function(std::integral_constant<int, D>)` for the smallest of compiled_head_sizes (attention.hpp) that holds the
/// heads; kernels fill up with columns of zeros. Only heads of 100 go to the kernel of 100, which copies in smaller pieces.
template <class Function>
void with_head_size(std::int64_t head_size, Function&& function) {
  const auto is_called_for = [&]<int size>(std::integral_constant<int, size> constant) {
    const bool fits = size == 100 ? head_size == size : head_size <= size;
    if (fits) {
      function(constant);
    }
    return fits;
  };
  const bool is_known = [&]<int... sizes>(std::integer_sequence<int, sizes...>) {
    return (is_called_for(std::integral_constant<int, sizes>()) || ...);
  }(std::integer_sequence<int, 16, 32, 64, 80, 96, 100, 128, 256>());
  require(is_known, "block attention: this head size has no CUDA kernel");
}

}  // namespace ringworld::cuda
