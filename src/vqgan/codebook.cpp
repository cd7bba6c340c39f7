#include "vqgan/codebook.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "core/error.hpp"

namespace ringworld {
namespace {

/// An index with a probability in proportion to its weight; any index where all weights are 0.
std::size_t draw_weighted(std::span<const double> sums, DrawStream& draws) {
  const double total = sums.back();
  if (!(total > 0)) {
    return static_cast<std::size_t>(draws.below(std::ssize(sums)));
  }
  const auto found = std::ranges::upper_bound(sums, draws.unit() * total);
  return std::min(static_cast<std::size_t>(found - sums.begin()), sums.size() - 1);
}

double draw_normal(DrawStream& draws) {
  const double radius = std::sqrt(-2 * std::log(1 - draws.unit()));
  return radius * std::cos(2 * std::numbers::pi * draws.unit());
}

/// The standard deviation of all numbers together.
double spread_of(std::span<const float> numbers) {
  double sum = 0;
  double squares = 0;
  for (const float number : numbers) {
    sum += number;
    squares += static_cast<double>(number) * number;
  }
  const auto count = static_cast<double>(numbers.size());
  return std::sqrt(std::max(0.0, squares / count - (sum / count) * (sum / count)));
}

}  // namespace

std::vector<float> choose_seeds(std::span<const float> vectors, std::int64_t size, std::int64_t codes,
                                DrawStream& draws) {
  const std::size_t count = vectors.size() / static_cast<std::size_t>(size);
  require(count > 0, "there are vectors to choose from");
  const auto width = static_cast<std::size_t>(size);
  std::vector<float> distances(count, std::numeric_limits<float>::max());
  std::vector<double> sums(count);
  std::vector<float> seeds;
  auto chosen = static_cast<std::size_t>(draws.below(static_cast<std::int64_t>(count)));
  for (std::int64_t code = 0; code < codes; ++code) {
    const float* const seed = vectors.data() + chosen * width;
    seeds.insert(seeds.end(), seed, seed + width);
    double sum = 0;
    for (std::size_t index = 0; index < count; ++index) {
      const float* const vector = vectors.data() + index * width;
      float distance = 0;
      for (std::size_t axis = 0; axis < width; ++axis) {
        const float difference = vector[axis] - seed[axis];
        distance += difference * difference;
      }
      distances[index] = std::min(distances[index], distance);
      sum += distances[index];
      sums[index] = sum;
    }
    chosen = draw_weighted(sums, draws);
  }
  return seeds;
}

void move_to_means(std::span<const float> vectors, std::int64_t size, std::span<const std::int32_t> nearest,
                   std::span<float> codebook) {
  const auto width = static_cast<std::size_t>(size);
  require(vectors.size() == nearest.size() * width, "every vector has a code");
  std::vector<double> sums(codebook.size(), 0.0);
  std::vector<std::int64_t> counts(codebook.size() / width, 0);
  for (std::size_t index = 0; index < nearest.size(); ++index) {
    const auto code = static_cast<std::size_t>(nearest[index]);
    ++counts[code];
    for (std::size_t axis = 0; axis < width; ++axis) {
      sums[code * width + axis] += vectors[index * width + axis];
    }
  }
  for (std::size_t place = 0; place < codebook.size(); ++place) {
    const std::int64_t count = counts[place / width];
    if (count > 0) {
      codebook[place] = static_cast<float>(sums[place] / static_cast<double>(count));
    }
  }
}

std::vector<CodeRestart> draw_restarts(std::span<const float> vectors, std::int64_t size,
                                       std::span<const float> squared_errors, std::span<const std::uint8_t> is_used,
                                       DrawStream& draws) {
  constexpr double noise_share = 0.01;
  require(!squared_errors.empty() && vectors.size() == squared_errors.size() * static_cast<std::size_t>(size),
          "every vector has an error");
  std::vector<double> sums(squared_errors.begin(), squared_errors.end());
  std::partial_sum(sums.begin(), sums.end(), sums.begin());
  const double noise = noise_share * spread_of(vectors);
  std::vector<CodeRestart> restarts;
  for (std::size_t code = 0; code < is_used.size(); ++code) {
    if (is_used[code] != 0) {
      continue;
    }
    const std::size_t chosen = draw_weighted(sums, draws);
    CodeRestart& restart = restarts.emplace_back();
    restart.code = static_cast<std::int64_t>(code);
    for (std::int64_t axis = 0; axis < size; ++axis) {
      const float number = vectors[chosen * static_cast<std::size_t>(size) + static_cast<std::size_t>(axis)];
      restart.vector.push_back(static_cast<float>(number + noise * draw_normal(draws)));
    }
  }
  return restarts;
}

CodeUsage usage_of(std::span<const std::int64_t> counts) {
  const auto total = static_cast<double>(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
  CodeUsage usage;
  double entropy = 0;
  for (const std::int64_t count : counts) {
    if (count > 0) {
      ++usage.used;
      const double share = static_cast<double>(count) / total;
      entropy -= share * std::log(share);
    }
  }
  usage.perplexity = usage.used > 0 ? std::exp(entropy) : 0;
  return usage;
}

}  // namespace ringworld
