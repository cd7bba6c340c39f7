#include "ring/travelling_block.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace ringworld {

KeyValueBlock view_key_value_block(const AttentionProblem& problem, std::int64_t tokens, std::byte* memory) {
  BlockCursor cursor(memory);
  KeyValueBlock block;
  const std::array shape{problem.batch, tokens, problem.kv_heads, problem.head_size};
  block.k = cursor.activations(problem.wire_dtype, shape);
  block.v = cursor.activations(problem.wire_dtype, shape);
  if (problem.has_segments) {
    block.segments = cursor.tensor<std::int32_t, 2>({problem.batch, tokens});
  }
  block.bytes = cursor.bytes();
  return block;
}

QueryBlock view_query_block(const AttentionProblem& problem, std::int64_t tokens, std::byte* memory) {
  BlockCursor cursor(memory);
  QueryBlock block;
  const std::array shape{problem.batch, tokens, problem.heads, problem.head_size};
  block.lse = cursor.tensor<float, 3>({problem.batch, problem.heads, tokens});
  block.delta = cursor.tensor<float, 3>({problem.batch, problem.heads, tokens});
  block.q = cursor.activations(problem.wire_dtype, shape);
  block.dout = cursor.activations(problem.wire_dtype, shape);
  if (problem.has_segments) {
    block.segments = cursor.tensor<std::int32_t, 2>({problem.batch, tokens});
  }
  block.bytes = cursor.bytes();
  return block;
}

GradientBlock view_gradient_block(const AttentionProblem& problem, BackwardRotation rotation, std::int64_t tokens,
                                  std::byte* memory) {
  BlockCursor cursor(memory);
  GradientBlock block;
  const bool is_kv = rotation == BackwardRotation::kv;
  const std::array shape{problem.batch, tokens, is_kv ? problem.kv_heads : problem.heads, problem.head_size};
  block.first = cursor.tensor<float, 4>(shape);
  if (is_kv) {
    block.second = cursor.tensor<float, 4>(shape);
  }
  block.bytes = cursor.bytes();
  return block;
}

void copy_activations(const ConstActivationView& from, const ActivationView& to) {
  require(from.shape == to.shape, "copied activations differ in shape");
  with_type(from.dtype, [&](auto from_type) {
    with_type(to.dtype, [&](auto to_type) {
      using From = decltype(from_type);
      using To = decltype(to_type);
      const auto source = from.as<From>();
      const auto target = to.as<To>();
      for (std::int64_t b = 0; b < from.batch(); ++b) {
        for (std::int64_t t = 0; t < from.tokens(); ++t) {
          for (std::int64_t h = 0; h < from.heads(); ++h) {
            const From* begin = &source(b, t, h, 0);
            std::transform(begin, begin + from.head_size(), &target(b, t, h, 0), [](From value) {
              if constexpr (std::is_same_v<From, To>) {
                return value;
              } else {
                return static_cast<To>(static_cast<float>(value));
              }
            });
          }
        }
      }
    });
  });
}

void add_floats(std::span<const float> from, std::span<float> to) {
  require(from.size() == to.size(), "added gradients differ in size");
  for (std::size_t i = 0; i < from.size(); ++i) {
    to[i] += from[i];
  }
}

}  // namespace ringworld
