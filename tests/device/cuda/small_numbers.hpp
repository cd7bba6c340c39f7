#pragma once
/// @file  Whole numbers from -4 to 4, whose products and short sums are exact in fp32.

#include <cstdint>
#include <vector>

#include "core/bf16.hpp"
#include "core/random.hpp"

namespace ringworld::test {

[[nodiscard]] inline std::vector<float> small_numbers(std::size_t count, std::uint64_t seed) {
  const CounterRng random(seed, 0);
  std::vector<float> numbers(count);
  for (std::size_t index = 0; index < count; ++index) {
    numbers[index] = static_cast<float>(random.integer(index, 9)) - 4.0F;
  }
  return numbers;
}

[[nodiscard]] inline std::vector<bf16> rounded(const std::vector<float>& numbers) {
  std::vector<bf16> result;
  for (const float number : numbers) {
    result.emplace_back(number);
  }
  return result;
}

}  // namespace ringworld::test
