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
