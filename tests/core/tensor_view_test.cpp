#include "core/tensor_view.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <type_traits>
#include <vector>

namespace ringworld::test {
namespace {

std::vector<float> counted(std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), 0.0F);
  return values;
}

TEST(TensorView, StridesAreRowMajor) {
  EXPECT_EQ(row_major_strides(std::array<std::int64_t, 4>{2, 3, 5, 7}), (std::array<std::int64_t, 4>{105, 35, 7, 1}));
  EXPECT_EQ(row_major_strides(std::array<std::int64_t, 1>{9}), (std::array<std::int64_t, 1>{1}));
  EXPECT_EQ(element_count(std::array<std::int64_t, 4>{2, 3, 5, 7}), 210);
  EXPECT_EQ(element_count(std::array<std::int64_t, 3>{2, 0, 5}), 0);
}

TEST(TensorView, IndicesCountInMemoryOrder) {
  std::vector<float> values = counted(24);
  const TensorView<float, 3> view(values.data(), {2, 3, 4});
  float expected = 0;
  for (std::int64_t a = 0; a < 2; ++a) {
    for (std::int64_t b = 0; b < 3; ++b) {
      for (std::int64_t c = 0; c < 4; ++c) {
        EXPECT_EQ(view(a, b, c), expected++);
      }
    }
  }
  EXPECT_EQ(view.size(), 24);
}

TEST(TensorView, OffsetsBeyondTwoGibielementsAreExact) {
  // Only the address is computed: there is no memory behind it.
  constexpr std::int64_t tokens = std::int64_t{1} << 20;
  const TensorView<char, 3> view(nullptr, {64, tokens, 128});
  EXPECT_EQ(view.strides[0] * 63 + view.strides[1] * (tokens - 1) + 127, view.size() - 1);
  EXPECT_EQ(view.size(), std::int64_t{1} << 33);
}

TEST(TensorView, SlicesShareMemoryAndKeepStrides) {
  std::vector<float> values = counted(24);
  const TensorView<float, 3> view(values.data(), {2, 3, 4});
  const TensorView<float, 3> slice = view.slice(1, 1, 2);
  EXPECT_EQ(slice.shape, (std::array<std::int64_t, 3>{2, 2, 4}));
  EXPECT_EQ(slice.strides, view.strides);
  EXPECT_EQ(slice(1, 1, 3), view(1, 2, 3));
  const TensorView<float, 3> inner = slice.slice(0, 1, 1).slice(2, 2, 2);
  EXPECT_EQ(inner(0, 0, 0), view(1, 1, 2));
  EXPECT_EQ(inner.size(), 4);
  inner(0, 1, 1) = -1.0F;
  EXPECT_EQ(view(1, 2, 3), -1.0F);
  EXPECT_EQ(view.slice(1, 3, 0).size(), 0);
}

TEST(TensorView, ReadsWithAnyStrides) {
  std::vector<float> values = counted(24);
  const TensorView<float, 2> transposed(values.data(), {4, 6}, {1, 4});
  EXPECT_EQ(transposed(3, 5), 23.0F);
  EXPECT_EQ(transposed(1, 0), 1.0F);
  EXPECT_EQ(transposed(0, 1), 4.0F);
}

TEST(TensorView, MutableElementsReadAsConstantOnesOnly) {
  static_assert(std::is_convertible_v<TensorView<float, 2>, TensorView<const float, 2>>);
  static_assert(!std::is_convertible_v<TensorView<const float, 2>, TensorView<float, 2>>);
  static_assert(std::is_convertible_v<ActivationView, ConstActivationView>);
  static_assert(!std::is_convertible_v<ConstActivationView, ActivationView>);
  static_assert(std::is_convertible_v<TensorView<const float, 4>, ConstActivationView>);
  static_assert(!std::is_convertible_v<TensorView<const float, 4>, ActivationView>);
  EXPECT_TRUE((TensorView<float, 2>().is_null()));
}

TEST(ActivationView, NamesItsExtents) {
  const ActivationView view(nullptr, DType::bfloat16, {2, 3, 5, 7});
  EXPECT_EQ(view.batch(), 2);
  EXPECT_EQ(view.tokens(), 3);
  EXPECT_EQ(view.heads(), 5);
  EXPECT_EQ(view.head_size(), 7);
  EXPECT_EQ(view.size(), 210);
}

TEST(ActivationView, TokenRangesStartWhereTheTokenLies) {
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    with_type(dtype, [&](auto element) {
      using T = decltype(element);
      std::vector<T> values(std::size_t{2} * 3 * 5 * 4);
      for (std::size_t index = 0; index < values.size(); ++index) {
        values[index] = static_cast<T>(static_cast<float>(index));
      }
      const ActivationView view(values.data(), dtype, {2, 3, 5, 4});
      const ConstActivationView range = view.token_range(1, 2);
      EXPECT_EQ(range.tokens(), 2);
      EXPECT_EQ(range.strides, view.strides);
      // (1, 1 + 1, 4, 3) of (2, 3, 5, 4) is the last element.
      EXPECT_EQ(static_cast<float>(range.as<T>()(1, 1, 4, 3)), 119.0F);
      EXPECT_EQ(static_cast<float>(range.as<T>()(0, 0, 0, 0)), 20.0F);
    });
  }
}

TEST(ActivationView, TakesTypeAndStridesFromATypedView) {
  std::vector<bf16> values(24);
  const TensorView<bf16, 4> typed(values.data(), {1, 2, 3, 4}, {24, 12, 4, 1});
  const ConstActivationView view = typed;
  EXPECT_EQ(view.dtype, DType::bfloat16);
  EXPECT_EQ(view.strides, typed.strides);
  EXPECT_EQ(view.data, values.data());
}

}  // namespace
}  // namespace ringworld::test
