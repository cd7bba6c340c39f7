#pragma once
/// @file  Scores to probabilities: forward with the queries along the lanes, backward with the keys along the lanes.
/// The error of the exponentials is stated at row::Simd::exp.

#include "kernels/attention/host/tile_kernels.hpp"
#include "kernels/elementwise/simd.hpp"

namespace ringworld::host_attention {
namespace {

using row::minus_infinity;

constexpr float not_a_number = __builtin_nanf("");

/// Scores of keys that a query does not see become -inf, rows of keys that a word adds at the end included. Scores of
/// keys that it sees, but whose values are not finite, become NaN: the values themselves are zeros now.
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
      if (mask.query_document_ids != nullptr) {
        const std::int32_t document = mask.key_document_ids[key];
        const typename W::Int documents = W::load(mask.query_document_ids + query);
        seen &= (documents == W::set(document)) & (documents >= typename W::Int{});
      }
      const bool is_zeroed = (mask.zeroed_keys >> key & 1U) != 0;
      W::store(at, seen ? (is_zeroed ? W::set(not_a_number) : W::load(at)) : W::set(minus_infinity));
    }
  }
}

/// Registers of queries that are worked on side by side, so that their chains of maxima overlap.
constexpr int side_by_side = 4;

/// The largest of `keys` scores, and of the maximum so far, for each of the registers from `query` on.
template <class W>
void find_maxima(const SoftmaxTile& tile, std::int64_t keys, std::int64_t query,
                 typename W::Float (&largest)[side_by_side]) {
  using Float = typename W::Float;
  Float odd[side_by_side];
#pragma GCC unroll 4
  for (int column = 0; column < side_by_side; ++column) {
    largest[column] = W::load(tile.maximum + query + column * W::lanes);
    odd[column] = W::set(minus_infinity);
  }
  const float* scores = tile.scores + query;
  for (std::int64_t key = 0; key < keys; key += 2) {
    const float* other = scores + (key + 1 < keys ? query_tile : 0);
#pragma GCC unroll 4
    for (int column = 0; column < side_by_side; ++column) {
      largest[column] = W::larger(largest[column], W::load(scores + column * W::lanes));
      odd[column] = W::larger(odd[column], W::load(other + column * W::lanes));
    }
    scores += 2 * query_tile;
  }
#pragma GCC unroll 4
  for (int column = 0; column < side_by_side; ++column) {
    largest[column] = W::larger(largest[column], odd[column]);
  }
}

/// Exponentials of one register of queries, and its sums. A score equal to the maximum gives exactly one, which a word
/// of two bf16 holds without rounding.
template <class W>
void exponentiate(const SoftmaxTile& tile, std::int64_t keys, std::int64_t query, typename W::Float new_maximum) {
  using Float = typename W::Float;
  constexpr int step = W::depth_per_word;
  // A query that has seen no key: -inf - -inf must not be formed.
  const Float reference = new_maximum == W::set(minus_infinity) ? Float{} : new_maximum;
  const float* scores = tile.scores + query;
  Word* words = reinterpret_cast<Word*>(tile.scores) + query;
  Float sums[step] = {};
  for (std::int64_t key = 0; key < keys; key += step) {
    Float probability[step];
#pragma GCC unroll 2
    for (int depth = 0; depth < step; ++depth) {
      probability[depth] = W::exp(W::load(scores + (key + depth) * query_tile) - reference);
      sums[depth] += probability[depth];
    }
    W::store_row_depth(words + key / step * query_tile, probability);
  }
  Float sum = sums[0];
#pragma GCC unroll 2
  for (int depth = 1; depth < step; ++depth) {
    sum += sums[depth];
  }
  const Float old_maximum = W::load(tile.maximum + query);
  const Float old_sum = W::load(tile.sum + query);
  if (!W::any(new_maximum > old_maximum)) {
    W::store(tile.sum + query, old_sum + sum);
    return;
  }
  const Float correction = W::exp(old_maximum - reference);
  W::store(tile.maximum + query, new_maximum);
  W::store(tile.sum + query, old_sum * correction + sum);
  for (std::int64_t d = 0; d < tile.head_size; ++d) {
    float* output = tile.output + d * query_tile + query;
    W::store(output, W::load(output) * correction);
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
  for (std::int64_t query = 0; query < query_tile; query += side_by_side * W::lanes) {
    typename W::Float maxima[side_by_side];
    find_maxima<W>(tile, keys, query, maxima);
#pragma GCC unroll 4
    for (int column = 0; column < side_by_side; ++column) {
      exponentiate<W>(tile, keys, query + column * W::lanes, maxima[column]);
    }
  }
}

/// All ones in the lanes of keys `key`, ... that `query` sees.
template <class W>
typename W::Int visible_keys(const TileMask& mask, std::int64_t query, std::int64_t key, std::int64_t visible) {
  using Int = typename W::Int;
  Int seen = (W::iota() + static_cast<std::int32_t>(key)) < W::set(static_cast<std::int32_t>(visible));
  if (mask.query_document_ids != nullptr) {
    const std::int32_t document = mask.query_document_ids[query];
    const Int documents = W::load(mask.key_document_ids + key);
    seen &= (documents == W::set(document)) & (W::set(document) >= Int{});
  }
  return seen;
}

/// All ones in the lanes of keys `key`, ... that were packed as zeros, or in all where the query was.
template <class W>
typename W::Int zeroed_tokens(const TileMask& mask, std::int64_t query, std::int64_t key) {
  using Int = typename W::Int;
  if ((mask.zeroed_queries >> query & 1U) != 0) {
    return W::set(std::int32_t{-1});
  }
  const auto bits = static_cast<std::int32_t>(mask.zeroed_keys >> key & ((TokenBits{1} << W::lanes) - 1));
  return ((W::set(bits) >> W::iota()) & W::set(std::int32_t{1})) != Int{};
}

/// P and scale * dS of one register of keys.
template <class W>
void gradient_lanes(const GradientTile& tile, std::int64_t query, std::int64_t key, typename W::Float& probability,
                    typename W::Float& gradient) {
  using Float = typename W::Float;
  const float inverse_sum = tile.inverse_sum[query];
  const std::int64_t at = query * key_tile + key;
  const Float excess = W::load(tile.scores + at) - tile.maximum[query];
  probability = W::exp(excess) * inverse_sum;
  probability = excess > W::set(tile.largest_excess) ? W::set(not_a_number) : probability;
  gradient = (W::load(tile.probability_gradient + at) - tile.scaled_delta[query]) * probability;
  if (inverse_sum == 0.0F || !tile.mask.is_full()) {
    const std::int64_t sees = tile.mask.first_query_sees + query;
    const std::int64_t visible = inverse_sum == 0.0F || sees < 0 ? 0 : (sees < tile.mask.keys ? sees : tile.mask.keys);
    const auto seen = visible_keys<W>(tile.mask, query, key, visible);
    if ((tile.mask.zeroed_queries | tile.mask.zeroed_keys) != 0) {
      const auto zeroed = zeroed_tokens<W>(tile.mask, query, key);
      probability = zeroed ? W::set(not_a_number) : probability;
      gradient = zeroed ? W::set(not_a_number) : gradient;
    }
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
