#include "kernels/embedding/embedding.hpp"

#include <gtest/gtest.h>

#include "kernels/elementwise/backend_case.hpp"
#include "kernels/elementwise/finite_difference.hpp"
#include "kernels/elementwise/guarded_rows.hpp"
#include "kernels/embedding/reference/lookup.hpp"
#include "support/device_mirror.hpp"
#include "support/expect_error.hpp"
#include "support/random_tensors.hpp"

namespace ringworld::test {
namespace {

/// Repeated, first and last rows, other shards' and none's.
const std::vector<std::int32_t> tokens{10, 16, 10, 9, 17, 12, 16, 10, -1, 0, 2000000000, 12};
constexpr std::int64_t vocab_begin = 10;
constexpr std::int64_t table_rows = 7;

class EmbeddingCase : public BackendTest {};

TEST_P(EmbeddingCase, ReadsRowsOfItsShardAndZerosElsewhere) {
  for (const std::int64_t columns : {1, 24, 131}) {
    for (const DType table_dtype : {DType::float32, DType::bfloat16}) {
      GuardedRows table(table_dtype, table_rows, columns, 1);
      GuardedRows actual(dtype(), std::ssize(tokens), columns, 2);
      GuardedRows expected(dtype(), std::ssize(tokens), columns, 3);
      DeviceMirror on(backend());
      make_embedding(backend())->forward(
          {.tokens = on(tokens), .table = on(table.view()), .vocab_begin = vocab_begin, .y = on(actual.view())});
      on.fetch();
      make_embedding(Backend::reference)
          ->forward({.tokens = tokens, .table = table.view(), .vocab_begin = vocab_begin, .y = expected.view()});
      EXPECT_EQ(actual.values(), expected.values());
      EXPECT_TRUE(actual.guards_are_intact());
      const std::vector<double> row = row::widened(actual.view(), 3);
      EXPECT_EQ(row, std::vector<double>(static_cast<std::size_t>(columns), 0.0));
      EXPECT_NE(row::widened(actual.view(), 0), row);
    }
  }
}

TEST_P(EmbeddingCase, GradientsAreAddedToTheRowsOfTheShard) {
  for (const std::int64_t columns : {1, 24, 131}) {
    GuardedRows dy(dtype(), std::ssize(tokens), columns, 1);
    const auto run = [&](Backend backend) {
      Tensor<float, 2> dtable({table_rows, columns}, 0.5F);
      DeviceMirror on(backend);
      const auto embedding = make_embedding(backend);
      for (int micro_batch = 0; micro_batch < 2; ++micro_batch) {
        embedding->backward(
            {.tokens = on(tokens), .dy = on(dy.view()), .vocab_begin = vocab_begin, .dtable = on(dtable.view())});
      }
      on.fetch();
      EXPECT_TRUE(dtable.guards_are_intact());
      return to_doubles(dtable.view());
    };
    EXPECT_TRUE(is_close("dtable", run(backend()), run(Backend::reference), row_in_fp32));
  }
}

TEST_P(EmbeddingCase, TokensOfARowAreAddedInTheirOrder) {
  // More tokens than a GPU's block looks through at once, most of them of one row; 3 shards of a long row.
  constexpr std::int64_t token_count = 1300;
  constexpr std::int64_t columns = 1040;
  const CounterRng rng(5, 5);
  std::vector<std::int32_t> drawn;
  for (std::uint64_t t = 0; t < token_count; ++t) {
    drawn.push_back(t % 3 != 0 ? 12 : static_cast<std::int32_t>(rng.integer(t, 12)) + 8);
  }
  GuardedRows dy(dtype(), token_count, columns, 1);
  Tensor<float, 2> dtable({table_rows, columns}, 0.5F);
  Tensor<float, 2> expected({table_rows, columns}, 0.5F);
  for (std::int64_t t = 0; t < token_count; ++t) {
    const std::int64_t row = drawn[static_cast<std::size_t>(t)] - vocab_begin;
    const std::vector<double> values = row::widened(dy.view(), t);
    for (std::int64_t c = 0; c < columns && row >= 0 && row < table_rows; ++c) {
      expected.view()(row, c) += static_cast<float>(values[static_cast<std::size_t>(c)]);
    }
  }
  DeviceMirror on(backend());
  make_embedding(backend())->backward(
      {.tokens = on(drawn), .dy = on(dy.view()), .vocab_begin = vocab_begin, .dtable = on(dtable.view())});
  on.fetch();
  EXPECT_EQ(to_doubles(dtable.view()), to_doubles(expected.view())) << "bit for bit";
}

TEST_P(EmbeddingCase, NoTokensChangeNothing) {
  Tensor<float, 2> dtable({table_rows, 24}, 0.5F);
  DeviceMirror on(backend());
  make_embedding(backend())->backward(
      {.tokens = {}, .dy = RowsView(nullptr, dtype(), {0, 24}), .vocab_begin = 0, .dtable = on(dtable.view())});
  on.fetch();
  EXPECT_EQ(to_doubles(dtable.view()), std::vector<double>(table_rows * 24, 0.5));
}

INSTANTIATE_TEST_SUITE_P(Backends, EmbeddingCase, testing::ValuesIn(backend_cases()), backend_case_name);

TEST(Embedding, GradientEqualsFiniteDifferences) {
  constexpr std::int64_t columns = 3;
  const std::vector<double> table = normal_doubles(table_rows * columns, 1);
  const std::vector<double> dy = normal_doubles(tokens.size() * columns, 2);
  std::vector<double> dtable(table.size());
  reference::look_up_backward<double>(tokens, dy, vocab_begin, columns, dtable);
  expect_gradient("dtable", table, dtable, [&](const std::vector<double>& at) {
    std::vector<double> y(dy.size());
    reference::look_up<double>(tokens, at, vocab_begin, columns, y);
    return dot(dy, y);
  });
}

TEST(Embedding, ShardsAddUpToTheWholeTable) {
  GuardedRows table(DType::float32, 20, 24, 1);
  const auto look_up = [&](std::int64_t begin, std::int64_t rows) {
    GuardedRows y(DType::float32, std::ssize(tokens), 24, 2);
    make_embedding(Backend::reference)
        ->forward(
            {.tokens = tokens, .table = table.view().row_range(begin, rows), .vocab_begin = begin, .y = y.view()});
    return y.values();
  };
  std::vector<double> sum = look_up(0, 11);
  const std::vector<double> second = look_up(11, 9);
  for (std::size_t i = 0; i < sum.size(); ++i) {
    sum[i] += second[i];
  }
  EXPECT_EQ(sum, look_up(0, 20));
}

TEST(Embedding, RefusesShapesThatContradictEachOther) {
  GuardedRows table(DType::float32, 5, 24, 1);
  GuardedRows y(DType::float32, std::ssize(tokens), 23, 1);
  expect_error(
      ErrorKind::internal,
      [&] { make_embedding(Backend::reference)->forward({.tokens = tokens, .table = table.view(), .y = y.view()}); },
      {"as many columns as the table"});
}

}  // namespace
}  // namespace ringworld::test
