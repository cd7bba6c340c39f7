#include "model/key_value_cache.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "comm/communicator.hpp"
#include "core/random.hpp"

namespace ringworld::test {
namespace {

constexpr std::int64_t batch = 2;
constexpr std::int64_t heads = 4;
constexpr std::int64_t kv_heads = 2;
constexpr std::int64_t head_size = 16;

std::vector<float> normals(std::uint64_t stream, std::int64_t count, float scale) {
  const CounterRng rng(6, stream);
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    values.push_back(scale * rng.normals(static_cast<std::uint64_t>(i))[0]);
  }
  return values;
}

/// Softmax attention of one query a sequence and head to all keys, in double.
std::vector<double> attention(std::span<const float> q, std::span<const float> k, std::span<const float> v,
                              std::int64_t tokens) {
  std::vector<double> out(static_cast<std::size_t>(batch * heads * head_size));
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t h = 0; h < heads; ++h) {
      const std::int64_t kv = h / (heads / kv_heads);
      const auto query = q.subspan(static_cast<std::size_t>((b * heads + h) * head_size), head_size);
      std::vector<double> scores;
      for (std::int64_t t = 0; t < tokens; ++t) {
        double score = 0;
        for (std::size_t d = 0; d < head_size; ++d) {
          score += static_cast<double>(query[d]) *
                   static_cast<double>(k[static_cast<std::size_t>(((b * tokens + t) * kv_heads + kv) * head_size) + d]);
        }
        scores.push_back(score / std::sqrt(static_cast<double>(head_size)));
      }
      const double maximum = *std::ranges::max_element(scores);
      double sum = 0;
      for (double& score : scores) {
        score = std::exp(score - maximum);
        sum += score;
      }
      for (std::int64_t t = 0; t < tokens; ++t) {
        for (std::size_t d = 0; d < head_size; ++d) {
          out[static_cast<std::size_t>((b * heads + h) * head_size) + d] +=
              scores[static_cast<std::size_t>(t)] / sum *
              static_cast<double>(v[static_cast<std::size_t>(((b * tokens + t) * kv_heads + kv) * head_size) + d]);
        }
      }
    }
  }
  return out;
}

/// Tokens `first` and every `step`-th after it of (B, tokens, Hkv, D).
ConstActivationView every(const std::vector<float>& all, std::int64_t tokens, std::int64_t first, std::int64_t step) {
  const std::int64_t token = kv_heads * head_size;
  const std::int64_t count = first < tokens ? (tokens - first + step - 1) / step : 0;
  return {all.data() + first * token,
          DType::float32,
          {batch, count, kv_heads, head_size},
          {tokens * token, step * token, head_size, 1}};
}

void expect_exact(std::int64_t tokens, std::int64_t first_rank, float scale) {
  const Communicator world = Communicator::world();
  const std::vector<float> q = normals(1, batch * heads * head_size, scale);
  const std::vector<float> k = normals(2, batch * tokens * kv_heads * head_size, scale);
  const std::vector<float> v = normals(3, batch * tokens * kv_heads * head_size, 1.0F);
  KeyValueCache cache(
      world,
      {.layers = 2, .batch = batch, .heads = heads, .kv_heads = kv_heads, .head_size = head_size, .capacity = tokens},
      Backend::host, 1);
  // Ranks before first_rank hold nothing.
  const std::int64_t holders = world.size() - first_rank;
  if (world.rank() >= first_rank) {
    const std::int64_t first = world.rank() - first_rank;
    cache.append(1, every(k, tokens, first, holders), every(v, tokens, first, holders));
  }
  std::vector<float> out(static_cast<std::size_t>(batch * heads * head_size));
  const std::array<std::int64_t, 4> shape{batch, 1, heads, head_size};
  cache.attend(1, ConstActivationView(q.data(), DType::float32, shape),
               ActivationView(out.data(), DType::float32, shape));
  const std::vector<double> expected = attention(q, k, v, tokens);
  for (std::size_t index = 0; index < out.size(); ++index) {
    ASSERT_NEAR(static_cast<double>(out[index]), expected[index], 3e-6) << index;
  }
}

TEST(KeyValueCache, AttentionOverAllRanksEqualsDenseAttention) { expect_exact(37, 0, 1.0F); }

TEST(KeyValueCache, RanksWithoutTokensDoNotDisturb) {
  expect_exact(5, Communicator::world().size() - 1, 1.0F);
  expect_exact(1, 0, 1.0F);
}

TEST(KeyValueCache, ExtremeScoresDoNotOverflow) { expect_exact(23, 0, 30.0F); }

TEST(KeyValueCache, AQuerySeesTheTokensOfItsOwnDocumentOnly) {
  const Communicator world = Communicator::world();
  constexpr std::int64_t tokens = 11;
  const std::vector<float> q = normals(1, batch * heads * head_size, 1.0F);
  const std::vector<float> k = normals(2, batch * tokens * kv_heads * head_size, 1.0F);
  const std::vector<float> v = normals(3, batch * tokens * kv_heads * head_size, 1.0F);
  // Sequence 0 sees its last 8 tokens. Sequence 1 sees its last token alone, so that on all ranks but one everything
  // is hidden.
  const std::array<std::int64_t, batch> padding{3, tokens - 1};
  std::vector<std::int32_t> ids;
  for (const std::int64_t hidden : padding) {
    for (std::int64_t t = 0; t < tokens; ++t) {
      ids.push_back(t < hidden ? -1 : 4);
    }
  }
  KeyValueCache cache(world,
                      {.layers = 1,
                       .batch = batch,
                       .heads = heads,
                       .kv_heads = kv_heads,
                       .head_size = head_size,
                       .capacity = tokens,
                       .has_documents = true},
                      Backend::host, 1);
  // In two pieces, so that ids, too, go behind those that are there.
  for (std::int64_t piece = 0; piece < 2; ++piece) {
    const std::int64_t first = world.rank() + piece * world.size();
    const ConstActivationView part = every(k, tokens, first, 2 * world.size());
    const TensorView<const std::int32_t, 2> part_ids(ids.data() + first, {batch, part.tokens()},
                                                     {tokens, 2 * world.size()});
    cache.append(0, part, every(v, tokens, first, 2 * world.size()), part_ids);
  }
  std::vector<float> out(static_cast<std::size_t>(batch * heads * head_size));
  const std::array<std::int64_t, 4> shape{batch, 1, heads, head_size};
  const std::array<std::int32_t, batch> of_queries{4, 4};
  cache.attend(0, ConstActivationView(q.data(), DType::float32, shape),
               ActivationView(out.data(), DType::float32, shape), {of_queries.data(), {batch, 1}});
  for (std::int64_t b = 0; b < batch; ++b) {
    // The oracle gets both sequences without what sequence b hides.
    const std::int64_t visible = tokens - padding[static_cast<std::size_t>(b)];
    const auto without_hidden = [&](const std::vector<float>& all) {
      std::vector<float> kept;
      for (std::int64_t row = 0; row < batch; ++row) {
        const auto end = all.begin() + (row + 1) * tokens * kv_heads * head_size;
        kept.insert(kept.end(), end - visible * kv_heads * head_size, end);
      }
      return kept;
    };
    const std::vector<double> expected = attention(q, without_hidden(k), without_hidden(v), visible);
    for (std::int64_t i = 0; i < heads * head_size; ++i) {
      const auto at = static_cast<std::size_t>(b * heads * head_size + i);
      ASSERT_NEAR(static_cast<double>(out[at]), expected[at], 3e-6) << "sequence " << b << ", " << i;
    }
  }
}

TEST(KeyValueCache, RefusesMoreThanItHolds) {
  KeyValueCache cache(
      Communicator::world(),
      {.layers = 1, .batch = batch, .heads = heads, .kv_heads = kv_heads, .head_size = head_size, .capacity = 2},
      Backend::host, 1);
  const std::vector<float> values = normals(1, batch * 3 * kv_heads * head_size, 1.0F);
  EXPECT_THROW(cache.append(0, every(values, 3, 0, 1), every(values, 3, 0, 1)), Error);
  cache.append(0, every(values, 3, 0, 2), every(values, 3, 0, 2));
  EXPECT_EQ(cache.tokens(0), 2);
  cache.clear();
  EXPECT_EQ(cache.tokens(0), 0);
}

}  // namespace
}  // namespace ringworld::test
