#include "kernels/tensor/tensor.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/elementwise/finite_difference.hpp"
#include "kernels/elementwise/guarded_rows.hpp"
#include "support/available_device.hpp"
#include "support/device_mirror.hpp"
#include "support/expect_error.hpp"
#include "support/random_tensors.hpp"

namespace ringworld::test {
namespace {

struct TensorCase {
  Backend backend;
  DType dtype;
};

std::vector<TensorCase> tensor_cases() {
  std::vector<TensorCase> cases;
  for (const Backend backend : {Backend::reference, Backend::kokkos, Backend::host, Backend::cuda}) {
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      cases.push_back({backend, dtype});
    }
  }
  return cases;
}

std::string case_name(const testing::TestParamInfo<TensorCase>& info) {
  return std::string(name_of(info.param.backend)) + "_" + std::string(name_of(info.param.dtype));
}

class TensorOpsCase : public testing::TestWithParam<TensorCase> {
 protected:
  void SetUp() override {
    if (const std::string reason = why_unavailable(backend()); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
    ops_ = make_tensor_ops(backend());
  }

  [[nodiscard]] static Backend backend() { return GetParam().backend; }
  [[nodiscard]] static DType dtype() { return GetParam().dtype; }
  [[nodiscard]] TensorOps& ops() { return *ops_; }

 private:
  std::unique_ptr<TensorOps> ops_;
};

std::vector<float> normals(std::size_t count, std::uint64_t stream) {
  const std::vector<double> values = normal_doubles(count, stream);
  return {values.begin(), values.end()};
}

double rounded(double value, DType dtype) {
  return with_type(dtype, [&](auto element) {
    return static_cast<double>(static_cast<float>(static_cast<decltype(element)>(static_cast<float>(value))));
  });
}

struct Shape {
  std::int64_t rows;
  std::int64_t columns;
};
constexpr std::array<Shape, 5> shapes{{{1, 1}, {5, 24}, {3, 67}, {130, 256}, {2, 4104}}};

TEST_P(TensorOpsCase, FillZeroClearsRowsAndNothingElse) {
  for (const Shape shape : shapes) {
    GuardedRows rows(dtype(), shape.rows, shape.columns, 1);
    DeviceMirror on(backend());
    ops().fill_zero(on(rows.view()));
    on.fetch();
    EXPECT_EQ(rows.values(), std::vector<double>(static_cast<std::size_t>(shape.rows * shape.columns), 0.0));
    EXPECT_TRUE(rows.guards_are_intact());
  }
  Tensor<float, 1> values({37}, 3.0F);
  DeviceMirror on(backend());
  ops().fill_zero(on(values.values()).first(36));
  on.fetch();
  EXPECT_EQ(std::ranges::count(values.values(), 0.0F), 36);
  EXPECT_EQ(values.values()[36], 3.0F);
}

TEST_P(TensorOpsCase, CopyMovesAsManyElementsAsThereAre) {
  const std::vector<float> values = normals(1001, 1);
  Tensor<float, 1> target({1002}, 3.0F);
  DeviceMirror on(backend());
  ops().copy(on(values), on(target.values()).data());
  on.fetch();
  EXPECT_TRUE(std::ranges::equal(target.values().first(1001), values));
  EXPECT_EQ(target.values()[1001], 3.0F);
}

TEST_P(TensorOpsCase, CopyRowsConverts) {
  for (const Shape shape : shapes) {
    for (const DType to_type : {DType::float32, DType::bfloat16}) {
      GuardedRows from(dtype(), shape.rows, shape.columns, 1);
      GuardedRows to(to_type, shape.rows, shape.columns, 2);
      DeviceMirror on(backend());
      ops().copy_rows(on(from.view()), on(to.view()));
      on.fetch();
      std::vector<double> expected = from.values();
      std::ranges::transform(expected, expected.begin(), [&](double value) { return rounded(value, to_type); });
      EXPECT_EQ(to.values(), expected);
      EXPECT_TRUE(to.guards_are_intact());
    }
  }
}

TEST_P(TensorOpsCase, CopyActivationsConvertsWhateverTheStrides) {
  // Heads of a (B * T, 3 H D) product, the tokens of one sequence in the middle of a longer one.
  constexpr std::int64_t batch = 2;
  constexpr std::int64_t tokens = 7;
  constexpr std::int64_t heads = 3;
  for (const std::int64_t head_size : {8, 5, 64}) {
    for (const DType to_type : {DType::float32, DType::bfloat16}) {
      GuardedRows from(dtype(), batch * (tokens + 2), 3 * heads * head_size, 1);
      const RowsView columns = from.view().row_range(1, 1).column_range(heads * head_size, heads * head_size);
      const std::int64_t stride = columns.row_stride;
      const ConstActivationView source = ActivationView(columns.data, dtype(), {batch, tokens, heads, head_size},
                                                        {(tokens + 2) * stride, stride, head_size, 1});
      for (const bool is_by_head : {false, true}) {
        Tensor<float, 4> wide({batch, tokens, heads, head_size});
        Tensor<bf16, 4> narrow({batch, tokens, heads, head_size});
        const std::array<std::int64_t, 4> strides =
            is_by_head ? std::array{tokens * heads * head_size, head_size, tokens * head_size, std::int64_t{1}}
                       : row_major_strides(source.shape);
        void* data = to_type == DType::float32 ? static_cast<void*>(wide.view().data) : narrow.view().data;
        const ActivationView target(data, to_type, source.shape, strides);
        DeviceMirror on(backend());
        ops().copy_activations(on(source), on(target));
        on.fetch();
        std::vector<double> expected = to_doubles(source);
        std::ranges::transform(expected, expected.begin(), [&](double value) { return rounded(value, to_type); });
        EXPECT_EQ(to_doubles(ConstActivationView(target)), expected);
        EXPECT_TRUE(wide.guards_are_intact() && narrow.guards_are_intact());
      }
    }
  }
}

TEST_P(TensorOpsCase, CopyStridedMovesFloatsAndIntegers) {
  const std::vector<float> values = normals(std::size_t{2} * 3 * 52, 1);
  const TensorView<const float, 3> whole(values.data(), {2, 3, 52});
  for (const std::int64_t stride : {1, 2}) {  // dense rows go in larger pieces
    TensorView<const float, 3> from = whole.slice(2, 4, 20);
    from.strides[2] = stride;
    Tensor<float, 3> to({2, 3, 20});
    DeviceMirror on(backend());
    ops().copy_strided(on(from), on(to.view()));
    on.fetch();
    for (std::int64_t b = 0; b < 2; ++b) {
      for (std::int64_t h = 0; h < 3; ++h) {
        for (std::int64_t t = 0; t < 20; ++t) {
          ASSERT_EQ(to.view()(b, h, t), whole(b, h, 4 + t * stride));
        }
      }
    }
    EXPECT_TRUE(to.guards_are_intact());
  }
  std::vector<std::int32_t> document_ids(40);
  std::iota(document_ids.begin(), document_ids.end(),
            0x7fa00000);  // as floats they would be NaNs, which may not change
  std::vector<std::int32_t> copied(10, -1);
  const TensorView<std::int32_t, 2> target(copied.data(), {2, 5});
  DeviceMirror on(backend());
  ops().copy_strided(on(TensorView<const std::int32_t, 2>(document_ids.data(), {2, 20}).slice(1, 3, 5)), on(target));
  on.fetch();
  EXPECT_EQ(target(0, 0), document_ids[3]);
  EXPECT_EQ(target(1, 4), document_ids[27]);
}

TEST_P(TensorOpsCase, AddAddsElementByElement) {
  for (const std::size_t count : {std::size_t{1}, std::size_t{67}, std::size_t{5000}}) {
    const std::vector<float> from = normals(count, 1);
    Tensor<float, 1> to({static_cast<std::int64_t>(count)}, 2.0F);
    DeviceMirror on(backend());
    ops().add(on(from), on(to.values()));
    on.fetch();
    for (std::size_t i = 0; i < count; ++i) {
      ASSERT_EQ(to.values()[i], 2.0F + from[i]);
    }
    EXPECT_TRUE(to.guards_are_intact());
  }
}

TEST_P(TensorOpsCase, AddToRowsAddsARowToEach) {
  for (const Shape shape : shapes) {
    GuardedRows rows(dtype(), shape.rows, shape.columns, 1);
    std::vector<double> expected = rows.values();
    const std::vector<float> row = normals(static_cast<std::size_t>(shape.columns), 2);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const float sum = static_cast<float>(expected[i]) + row[i % row.size()];
      expected[i] = rounded(static_cast<double>(sum), dtype());
    }
    DeviceMirror on(backend());
    ops().add_to_rows(on(row), on(rows.view()));
    on.fetch();
    EXPECT_EQ(rows.values(), expected);
    EXPECT_TRUE(rows.guards_are_intact());
  }
}

TEST_P(TensorOpsCase, AddColumnSumsAddsUpWholeNumbersExactly) {
  for (const Shape shape : shapes) {
    GuardedRows rows(dtype(), shape.rows, shape.columns, 1, 16.0F);
    std::vector<double> whole = rows.values();
    std::ranges::transform(whole, whole.begin(), [](double value) { return std::round(value); });
    const auto columns = static_cast<std::size_t>(shape.columns);
    std::vector<float> expected(columns, 3.0F);
    for (std::int64_t r = 0; r < shape.rows; ++r) {
      const auto row = std::span(whole).subspan(static_cast<std::size_t>(r) * columns, columns);
      row::narrow(row, rows.view(), r);
      std::ranges::transform(row, expected, expected.begin(),
                             [](double value, float sum) { return sum + static_cast<float>(value); });
    }
    Tensor<float, 1> sums({shape.columns}, 3.0F);
    DeviceMirror on(backend());
    ops().add_column_sums(on(rows.view()), on(sums.values()));
    on.fetch();
    EXPECT_TRUE(std::ranges::equal(sums.values(), expected));
    EXPECT_TRUE(sums.guards_are_intact());
  }
}

TEST_P(TensorOpsCase, ScaleRowsGivesEachRowItsFactor) {
  for (const Shape shape : shapes) {
    GuardedRows rows(dtype(), shape.rows, shape.columns, 1);
    std::vector<double> expected = rows.values();
    const std::vector<float> factors = normals(static_cast<std::size_t>(shape.rows), 2);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const float product = static_cast<float>(expected[i]) * factors[i / static_cast<std::size_t>(shape.columns)];
      expected[i] = rounded(static_cast<double>(product), dtype());
    }
    DeviceMirror on(backend());
    ops().scale_rows(on(factors), on(rows.view()));
    on.fetch();
    EXPECT_EQ(rows.values(), expected);
    EXPECT_TRUE(rows.guards_are_intact());
  }
}

TEST_P(TensorOpsCase, FindRowMaximaFindsTheFirstLargest) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  constexpr float low = -std::numeric_limits<float>::infinity();
  for (const std::int64_t columns : {3, 24, 67, 5000}) {
    GuardedRows rows(DType::float32, 6, columns, 1);
    const auto row = [&](std::int64_t r) { return rows.view().row<float>(r); };
    row(0)[0] = 100.0F;
    row(1)[columns - 1] = 100.0F;
    row(2)[1] = 100.0F;  // twice: the first counts
    row(2)[columns - 1] = 100.0F;
    row(3)[0] = nan;
    row(3)[1] = 100.0F;
    std::fill_n(row(4), columns, nan);
    std::fill_n(row(5), columns, low);
    std::vector<float> maximum(6);
    std::vector<std::int32_t> index(6, -7);
    DeviceMirror on(backend());
    ops().find_row_maxima(on(rows.view()), {.maximum = on(maximum), .index = on(index)});
    on.fetch();
    EXPECT_EQ(maximum, (std::vector<float>{100.0F, 100.0F, 100.0F, 100.0F, low, low}));
    EXPECT_EQ(index, (std::vector<std::int32_t>{0, static_cast<std::int32_t>(columns - 1), 1, 1, 0, 0}));
  }
}

TEST_P(TensorOpsCase, GatherAndScatterFollowTheIndex) {
  for (const std::int64_t columns : {1, 24, 67, 256}) {
    GuardedRows from(dtype(), 5, columns, 1);
    GuardedRows to(dtype(), 4, columns, 2);
    const std::vector<std::int32_t> index{4, -1, 0, 4};
    DeviceMirror on(backend());
    ops().gather_rows(on(from.view()), on(index), on(to.view()));
    on.fetch();
    for (std::int64_t r = 0; r < 4; ++r) {
      const std::int32_t source = index[static_cast<std::size_t>(r)];
      const std::vector<double> expected =
          source < 0 ? std::vector<double>(static_cast<std::size_t>(columns)) : row::widened(from.view(), source);
      EXPECT_EQ(row::widened(to.view(), r), expected);
    }
    EXPECT_TRUE(to.guards_are_intact());

    GuardedRows target(dtype(), 7, columns, 3);
    const std::vector<double> before = row::widened(target.view(), 1);
    const std::vector<std::int32_t> places{6, 0, -1, 3, 2};
    ops().scatter_rows(on(from.view()), on(places), on(target.view()));
    on.fetch();
    EXPECT_EQ(row::widened(target.view(), 6), row::widened(from.view(), 0));
    EXPECT_EQ(row::widened(target.view(), 3), row::widened(from.view(), 3));
    EXPECT_EQ(row::widened(target.view(), 1), before);
    EXPECT_TRUE(target.guards_are_intact());
  }
}

TEST_P(TensorOpsCase, NothingIsLegal) {
  GuardedRows rows(dtype(), 0, 24, 1);
  ops().fill_zero(rows.view());
  ops().fill_zero(std::span<float>());
  ops().copy_rows(rows.view(), rows.view());
  ops().add({}, {});
  ops().gather_rows(rows.view(), {}, rows.view());
  EXPECT_TRUE(rows.guards_are_intact());
}

INSTANTIATE_TEST_SUITE_P(Backends, TensorOpsCase, testing::ValuesIn(tensor_cases()), case_name);

TEST(TensorOps, RefusesShapesThatContradictEachOther) {
  const auto ops = make_tensor_ops(Backend::reference);
  GuardedRows rows(DType::float32, 5, 24, 1);
  GuardedRows other(DType::bfloat16, 5, 24, 1);
  std::vector<float> values(23);
  std::vector<std::int32_t> index(4);
  const RowsView narrow = rows.view().column_range(0, 23);
  expect_error(ErrorKind::internal, [&] { ops->copy_rows(rows.view(), narrow); }, {"differ in shape"});
  expect_error(ErrorKind::internal, [&] { ops->add(values, std::span(values).first(22)); }, {"differ in count"});
  expect_error(ErrorKind::internal, [&] { ops->add_to_rows(values, rows.view()); }, {"columns"});
  expect_error(ErrorKind::internal, [&] { ops->gather_rows(rows.view(), index, rows.view()); }, {"index"});
  expect_error(ErrorKind::internal, [&] { ops->gather_rows(rows.view(), index, other.view()); }, {"type"});
}

}  // namespace
}  // namespace ringworld::test
