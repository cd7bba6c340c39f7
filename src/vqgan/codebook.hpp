#pragma once
/// @file  How a codebook gets its vectors where gradients do not reach: at the start, and when codes fall out of use.
/// Source: Arthur, Vassilvitskii, "k-means++: The Advantages of Careful Seeding", SODA 2007, section 2.2; Lloyd, "Least
/// squares quantization in PCM", IEEE Trans. Inf. Theory 28 (1982); restarts of dead codes after Dhariwal et al.,
/// "Jukebox", arXiv:2005.00341, section 3.1, but drawn by their error.
/// Shapes: T vectors of size D, a codebook of K vectors.
///
/// Random numbers come from named streams (data/draw_stream.hpp): the same vectors give the same codebook on every rank
/// and in every run.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "data/draw_stream.hpp"

namespace ringworld {

/// K of the vectors: the first one at random, each next one with a probability that grows with the square of its distance
/// from those chosen before. Where no vector is left at a distance, the next is any.
/// @param vectors  (T, size)     @return (K, size)
[[nodiscard]] std::vector<float> choose_seeds(std::span<const float> vectors, std::int64_t size, std::int64_t codes,
                                              DrawStream& draws);

/// One of Lloyd's rounds: every code that some vector is nearest to moves to the mean of these.
/// @param nearest  (T), the code of each vector     @param codebook  (K, size), updated
void move_to_means(std::span<const float> vectors, std::int64_t size, std::span<const std::int32_t> nearest,
                   std::span<float> codebook);

/// A code that starts again from another vector.
struct CodeRestart {
  std::int64_t code = 0;
  std::vector<float> vector;
};

/// A new vector for every unused code: one of the given vectors, with a probability that grows with its squared error,
/// plus noise of a hundredth of the vectors' spread, so that no two codes are alike.
/// @param squared_errors  (T)     @param is_used  (K)
[[nodiscard]] std::vector<CodeRestart> draw_restarts(std::span<const float> vectors, std::int64_t size,
                                                     std::span<const float> squared_errors,
                                                     std::span<const std::uint8_t> is_used, DrawStream& draws);

/// The number of codes that have a count, and exp(entropy) of the distribution of counts: as many equally likely codes
/// have the same entropy.
struct CodeUsage {
  std::int64_t used = 0;
  double perplexity = 0;
};
[[nodiscard]] CodeUsage usage_of(std::span<const std::int64_t> counts);

}  // namespace ringworld
