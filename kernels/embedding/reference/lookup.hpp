#pragma once
/// @file  Reading rows of a table and adding to them, in plain loops.

#include <cstdint>
#include <span>

namespace ringworld::reference {

/// y (T, C) = rows of table (rows, C), zeros where a token is not in it.
template <class T>
void look_up(std::span<const std::int32_t> tokens, std::span<const T> table, std::int64_t vocab_begin,
             std::int64_t columns, std::span<T> y) {
  const std::int64_t rows = std::ssize(table) / columns;
  for (std::int64_t t = 0; t < std::ssize(tokens); ++t) {
    const std::int64_t row = tokens[static_cast<std::size_t>(t)] - vocab_begin;
    for (std::int64_t c = 0; c < columns; ++c) {
      const bool is_inside = row >= 0 && row < rows;
      y[static_cast<std::size_t>(t * columns + c)] =
          is_inside ? table[static_cast<std::size_t>(row * columns + c)] : T{0};
    }
  }
}

/// dtable (rows, C) += dy (T, C).
template <class T>
void look_up_backward(std::span<const std::int32_t> tokens, std::span<const T> dy, std::int64_t vocab_begin,
                      std::int64_t columns, std::span<T> dtable) {
  const std::int64_t rows = std::ssize(dtable) / columns;
  for (std::int64_t t = 0; t < std::ssize(tokens); ++t) {
    const std::int64_t row = tokens[static_cast<std::size_t>(t)] - vocab_begin;
    for (std::int64_t c = 0; c < columns && row >= 0 && row < rows; ++c) {
      dtable[static_cast<std::size_t>(row * columns + c)] += dy[static_cast<std::size_t>(t * columns + c)];
    }
  }
}

}  // namespace ringworld::reference
