/// @file  What the element-wise families share: the loop over ranges, vector exp, views of rows.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <mutex>
#include <utility>

#include "core/thread_team.hpp"
#include "kernels/elementwise/backend_case.hpp"
#include "kernels/elementwise/parallel.hpp"
#include "kernels/elementwise/row_functions.hpp"
#include "kernels/elementwise/rows_view.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

class Row : public BackendTest {};

TEST(Ranges, CoverEveryItemOnceInFixedCutsWhateverTheThreads) {
  for (const int threads : {1, 2, 5}) {
    if (threads > largest_team()) {
      continue;
    }
    std::vector<std::pair<std::int64_t, std::int64_t>> seen;
    std::mutex mutex;
    row::for_each_range(threads, 10, 4, [&](std::int64_t begin, std::int64_t end) {
      const std::scoped_lock lock(mutex);
      seen.emplace_back(begin, end);
    });
    std::ranges::sort(seen);
    EXPECT_EQ(seen, (std::vector<std::pair<std::int64_t, std::int64_t>>{{0, 4}, {4, 8}, {8, 10}}));
    row::for_each_range(threads, 0, 4, [](std::int64_t, std::int64_t) { FAIL() << "no items, no range"; });
  }
}

TEST_P(Row, ExponentialsAreGoodToSevenDigits) {
  const row::RowFunctions& functions = row::row_functions(GetParam().isa);
  for (float x = -87.2F; x <= 0.0F; x += 0.00713F) {
    const std::array<float, 1> value{x};
    const double exact = std::exp(static_cast<double>(x));
    EXPECT_NEAR(static_cast<double>(functions.sum_exponentials(value.data(), 1, 0.0F, nullptr)), exact, 2.5e-7 * exact);
  }
  const std::array<float, 3> extremes{-std::numeric_limits<float>::infinity(), -200.0F, 0.0F};
  EXPECT_EQ(functions.sum_exponentials(extremes.data(), 3, 0.0F, nullptr), 1.0F);
  const std::array<float, 1> not_a_number{std::numeric_limits<float>::quiet_NaN()};
  EXPECT_TRUE(std::isnan(functions.sum_exponentials(not_a_number.data(), 1, 0.0F, nullptr)));
}

TEST_P(Row, MaximumOfRowsOfEveryLength) {
  const row::RowFunctions& functions = row::row_functions(GetParam().isa);
  std::vector<float> values(140, -7.0F);
  for (std::size_t count = 1; count <= values.size(); ++count) {
    values[count - 1] = -3.0F;  // the last one, wherever it falls in a register
    EXPECT_EQ(functions.maximum(values.data(), static_cast<std::int64_t>(count)), -3.0F) << count;
    values[count - 1] = -7.0F;
  }
  EXPECT_EQ(functions.maximum(nullptr, 0), -std::numeric_limits<float>::infinity());
}

TEST_P(Row, RoundsToBfloat16AsTheScalarTypeDoes) {
  std::vector<float> values;
  for (std::uint32_t word = 0x3f7f0000U; word < 0x3f830000U; word += 0x1555U) {
    values.push_back(std::bit_cast<float>(word));
  }
  for (const std::uint32_t word : {0x3f808000U, 0x3f818000U, 0x7f800000U, 0xff800000U, 0x7f7fffffU, 0x80000000U}) {
    values.push_back(std::bit_cast<float>(word));
  }
  values.push_back(std::bit_cast<float>(0x7f800001U));  // a NaN whose payload lies in the lower half
  std::vector<const row::RowFunctions*> versions{&row::row_functions(GetParam().isa)};
  if (GetParam().isa == Isa::avx512) {
    versions.push_back(&row::avx512_row_functions());  // on a CPU that rounds by an instruction, the others' too
  }
  for (const row::RowFunctions* version : versions) {
    std::vector<bf16> rounded(values.size());
    version->of<bf16>().copy_float32(values.data(), rounded.data(), std::ssize(values));
    for (std::size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(rounded[i].bits, bf16(values[i]).bits) << values[i];
    }
  }
}

template <class T>
void expect_products(const row::TypedRowFunctions<T>& functions, std::int64_t m, std::int64_t n, std::int64_t k) {
  constexpr std::int64_t gap = 3;  // behind each row
  const auto value = [](std::int64_t i) { return static_cast<float>((i * 37 + 11) % 64 - 32) / 16.0F; };
  const auto fill = [&](auto& values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<std::remove_reference_t<decltype(values[0])>>(value(static_cast<std::int64_t>(i)));
    }
  };
  const auto at = [](const auto& values, std::int64_t i) {
    return static_cast<double>(static_cast<float>(values[static_cast<std::size_t>(i)]));
  };
  const auto sized = [](std::int64_t rows, std::int64_t columns) {
    return static_cast<std::size_t>(rows * (columns + gap));
  };
  std::vector<float> a(sized(m, k));
  fill(a);
  for (const bool is_dot : {true, false}) {
    // (n, k) keys, or (k, n) values.
    const std::int64_t b_columns = is_dot ? k : n;
    std::vector<T> b(sized(is_dot ? n : k, b_columns));
    fill(b);
    std::vector<float> c(sized(m, n), 0.5F);
    const row::RowsProduct<T> product{.m = m,
                                      .n = n,
                                      .k = k,
                                      .a = a.data(),
                                      .a_leading = k + gap,
                                      .b = b.data(),
                                      .b_leading = b_columns + gap,
                                      .c = c.data(),
                                      .c_leading = n + gap,
                                      .scale = 0.25F};
    (is_dot ? functions.dot_products : functions.weighted_sums)(product);
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n + gap; ++j) {
        double expected = is_dot && j < n ? 0.0 : 0.5;
        for (std::int64_t d = 0; j < n && d < k; ++d) {
          const double right = is_dot ? 0.25 * at(b, j * product.b_leading + d) : at(b, d * product.b_leading + j);
          expected += at(a, i * product.a_leading + d) * right;
        }
        // Numbers of few bits: every sum is exact.
        EXPECT_EQ(at(c, i * product.c_leading + j), expected)
            << m << " x " << n << " x " << k << ", dot " << is_dot << " at " << i << ", " << j;
      }
    }
  }
}

TEST_P(Row, ProductsOfAFewRowsAreExactWhateverTheirExtents) {
  const row::RowFunctions& functions = row::row_functions(GetParam().isa);
  for (const std::int64_t m : {1, 2, 3, 4, 5, 9}) {
    for (const std::int64_t n : {1, 7, 16, 33, 100}) {
      for (const std::int64_t k : {1, 8, 16, 40, 64, 100}) {
        expect_products(functions.of<float>(), m, n, k);
        expect_products(functions.of<bf16>(), m, n, k);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, Row, testing::ValuesIn(isa_cases()), backend_case_name);

TEST(RowsView, PartsKeepTheStride) {
  std::array<float, 24> buffer{};
  buffer[2 * 6 + 3 + 1] = 5.0F;
  const RowsView both(buffer.data(), DType::float32, {4, 6});
  const ConstRowsView up = both.row_range(1, 3).column_range(3, 3);
  EXPECT_EQ(up.rows, 3);
  EXPECT_EQ(up.columns, 3);
  EXPECT_EQ(up.row<float>(1)[1], 5.0F);
  EXPECT_EQ(ConstRowsView().row<float>(7), nullptr);
}

}  // namespace
}  // namespace ringworld::test
