#pragma once
/// @file  Scores to probabilities: forward with the queries along the lanes, backward with the keys along the lanes.
/// The error of the exponentials is stated at Simd::exp.

#include "kernels/attention/host/simd.hpp"
#include "kernels/attention/host/tile_kernels.hpp"

namespace ringworld::host_attention {
namespace {

/// Scores of keys that a query does not see become -inf, rows of keys that a word adds at the end included.
template <class W>
void mask_scores(const TileMask& mask, std::int64_t keys, float* scores) {
  for (std::int64_t key = 0; key < keys; ++key) {
    for (std::int64_t query = 0; query < query_tile; query += W::lanes) {
      float* at = scores + key * query_tile + query;
      if (key >= mask.keys) {
        W::store(at, W::set(minus_infinity));
        continue;
      }
      // |first_query_sees| may be large, but only its neighbourhood of the tile matters.
      const auto first_query = static_cast<std::int32_t>(key - mask.first_query_sees);
      auto seen = (W::iota() + static_cast<std::int32_t>(query)) > W::set(first_query);
      if (mask.query_segments != nullptr) {
        const std::int32_t document = mask.key_segments[key];
        const typename W::Int documents =
            *reinterpret_cast<const typename W::UnalignedInt*>(mask.query_segments + query);
        seen &= (documents == W::set(document)) & (documents >= typename W::Int{});
      }
      W::store(at, seen ? W::load(at) : W::set(minus_infinity));
    }
  }
}

/// One register of queries: all keys of the tile.
template <class W>
void softmax_lanes(const SoftmaxTile& tile, std::int64_t keys, std::int64_t query) {
  using Float = typename W::Float;
  float* scores = tile.scores + query;
  // Scaled scores go through memory: were the product contracted with the difference below, the weight of the largest
  // score would not be one, and differ from what a word of two bf16 rounds it to.
  const auto scaled = [&](std::int64_t key) {
    const Float score = W::load(scores + key * query_tile) * tile.scale;
    W::store(scores + key * query_tile, score);
    return score;
  };
  Float largest[2] = {W::set(minus_infinity), W::set(minus_infinity)};
  std::int64_t row = 0;
  for (; row + 2 <= keys; row += 2) {
    largest[0] = W::larger(largest[0], scaled(row));
    largest[1] = W::larger(largest[1], scaled(row + 1));
  }
  if (row < keys) {
    largest[0] = W::larger(largest[0], scaled(row));
  }
  const Float old_maximum = W::load(tile.maximum + query);
  const Float new_maximum = W::larger(old_maximum, W::larger(largest[0], largest[1]));
  // A query that has seen no key: -inf - -inf must not be formed.
  const Float reference = new_maximum == W::set(minus_infinity) ? Float{} : new_maximum;

  Word* words = reinterpret_cast<Word*>(tile.scores) + query;
  Float sums[W::depth_per_word * 2] = {};
  constexpr int step = W::depth_per_word;
  for (std::int64_t key = 0; key < keys; key += 2 * step) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half) {
      const std::int64_t first = key + half * step;
      if (first >= keys) {
        break;
      }
      Float probability[step];
#pragma GCC unroll 2
      for (int depth = 0; depth < step; ++depth) {
        probability[depth] = W::exp(W::load(scores + (first + depth) * query_tile) - reference);
        sums[half * step + depth] += probability[depth];
      }
      W::store_row_depth(words + first / step * query_tile, probability);
    }
  }
  Float sum = sums[0];
#pragma GCC unroll 4
  for (int part = 1; part < 2 * step; ++part) {
    sum += sums[part];
  }
  if (W::any(new_maximum > old_maximum)) {
    const Float correction = W::exp(old_maximum - reference);
    W::store(tile.maximum + query, new_maximum);
    W::store(tile.sum + query, W::load(tile.sum + query) * correction + sum);
    for (std::int64_t d = 0; d < tile.head_size; ++d) {
      float* output = tile.output + d * query_tile + query;
      W::store(output, W::load(output) * correction);
    }
  } else {
    W::store(tile.sum + query, W::load(tile.sum + query) + sum);
  }
}

template <class W>
void softmax(const SoftmaxTile& shared_tile) {
  const SoftmaxTile tile = shared_tile;  // a copy, that no store below can be thought to change
  constexpr std::int64_t step = W::depth_per_word;
  const std::int64_t keys = (tile.mask.keys + step - 1) / step * step;
  if (!tile.mask.is_full()) {
    mask_scores<W>(tile.mask, keys, tile.scores);
  }
  for (std::int64_t query = 0; query < query_tile; query += W::lanes) {
    softmax_lanes<W>(tile, keys, query);
  }
}

/// All ones in the lanes of keys `key`, ... that `query` sees.
template <class W>
typename W::Int visible_keys(const TileMask& mask, std::int64_t query, std::int64_t key, std::int64_t visible) {
  using Int = typename W::Int;
  Int seen = (W::iota() + static_cast<std::int32_t>(key)) < W::set(static_cast<std::int32_t>(visible));
  if (mask.query_segments != nullptr) {
    const std::int32_t document = mask.query_segments[query];
    const Int documents = *reinterpret_cast<const typename W::UnalignedInt*>(mask.key_segments + key);
    seen &= (documents == W::set(document)) & (W::set(document) >= Int{});
  }
  return seen;
}

/// P and scale * dS of one register of keys.
template <class W>
void gradient_lanes(const GradientTile& tile, std::int64_t query, std::int64_t key, typename W::Float& probability,
                    typename W::Float& gradient) {
  using Float = typename W::Float;
  const float lse = tile.lse[query];
  const float reference = lse == minus_infinity ? 0.0F : lse;
  const std::int64_t at = query * key_tile + key;
  probability = W::exp(W::load(tile.scores + at) * tile.scale - reference);
  gradient = (W::load(tile.probability_gradient + at) - tile.delta[query]) * probability * tile.scale;
  if (lse == minus_infinity || !tile.mask.is_full()) {
    const std::int64_t sees = tile.mask.first_query_sees + query;
    const std::int64_t visible =
        lse == minus_infinity || sees < 0 ? 0 : (sees < tile.mask.keys ? sees : tile.mask.keys);
    const auto seen = visible_keys<W>(tile.mask, query, key, visible);
    probability = seen ? probability : Float{};
    gradient = seen ? gradient : Float{};
  }
}

template <class W>
void gradient(const GradientTile& shared_tile) {
  using Float = typename W::Float;
  const GradientTile tile = shared_tile;  // a copy, that no store below can be thought to change
  constexpr int step = W::depth_per_word;
  Word* probabilities = reinterpret_cast<Word*>(tile.scores);
  Word* gradients = reinterpret_cast<Word*>(tile.probability_gradient);
  for (std::int64_t query = 0; query < tile.mask.queries; query += step) {
    for (std::int64_t key = 0; key < key_tile; key += step * W::lanes) {
      Float by_query[step][step];  // [key register][query]: dS
      Float by_key[step][step];    // [query][key register]: dS
#pragma GCC unroll 2
      for (int column = 0; column < step; ++column) {
        Float probability[step];
#pragma GCC unroll 2
        for (int row = 0; row < step; ++row) {
          gradient_lanes<W>(tile, query + row, key + column * W::lanes, probability[row], by_query[column][row]);
          by_key[row][column] = by_query[column][row];
        }
        W::store_row_depth(probabilities + query / step * key_tile + key + column * W::lanes, probability);
      }
#pragma GCC unroll 2
      for (int part = 0; part < step; ++part) {
        W::store_row_depth(gradients + query / step * key_tile + key + part * W::lanes, by_query[part]);
        W::store_lane_depth(tile.key_depth + (query + part) * (key_tile / step) + key / step, by_key[part]);
      }
    }
  }
}

}  // namespace
}  // namespace ringworld::host_attention
