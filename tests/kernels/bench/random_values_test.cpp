#include "kernels/bench/common/random_values.hpp"

#include <gtest/gtest.h>

#include <cstdint>

#include "core/random.hpp"

namespace ringworld::test {
namespace {

TEST(RandomValues, AreThoseOfTheirPlaceWhoeverDrawsThem) {
  constexpr std::uint64_t stream = 7;
  const CounterRng rng(1, stream);
  // Around whole draws of four, and fewer draws than threads.
  for (const std::int64_t count : {0, 1, 4, 5, 4099}) {
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      const Buffer buffer = bench::make_normals(dtype, count, stream);
      ASSERT_EQ(buffer.bytes(), count * size_of(dtype));
      with_type(dtype, [&](auto type) {
        using T = decltype(type);
        for (std::int64_t i = 0; i < count; ++i) {
          const auto expected = static_cast<T>(rng.normals(static_cast<std::uint64_t>(i / 4))[i % 4]);
          ASSERT_EQ(static_cast<float>(buffer.as<T>()[i]), static_cast<float>(expected)) << i << " of " << count;
        }
      });
    }
  }
}

}  // namespace
}  // namespace ringworld::test
