/// @file  Token embedding with uniformly drawn tokens: the table's rows are read in no order.
///
///   bench_embedding --benchmark_filter='backward/host/.*'

#include "kernels/embedding/embedding.hpp"

#include <fmt/format.h>

#include <memory>
#include <set>
#include <vector>

#include "core/random.hpp"
#include "kernels/bench/common/random_values.hpp"
#include "kernels/bench/common/suite.hpp"
#include "kernels/embedding/cost.hpp"

namespace ringworld::bench {
namespace {

struct Point {
  Backend backend;
  DType dtype;
  std::int64_t tokens;
  std::int64_t vocab_size;
  std::int64_t columns;
};

std::vector<std::int32_t> draw_tokens(const Point& point) {
  const CounterRng rng(1, 3);
  std::vector<std::int32_t> tokens;
  for (std::int64_t t = 0; t < point.tokens; ++t) {
    tokens.push_back(static_cast<std::int32_t>(
        rng.integer(static_cast<std::uint64_t>(t), static_cast<std::uint64_t>(point.vocab_size))));
  }
  return tokens;
}

struct Operands {
  explicit Operands(const Point& point_in)
      : point(point_in),
        token_memory(make_copy(draw_tokens(point), device_of(point.backend))),
        table(make_normals(DType::float32, point.vocab_size * point.columns, 1, device_of(point.backend))),
        y(make_normals(point.dtype, point.tokens * point.columns, 2, device_of(point.backend))),
        kernel(make_embedding(point.backend)) {}

  [[nodiscard]] TensorView<float, 2> rows() const { return {table.as<float>(), {point.vocab_size, point.columns}}; }
  [[nodiscard]] RowsView view() const { return {y.data(), point.dtype, {point.tokens, point.columns}}; }

  [[nodiscard]] std::span<const std::int32_t> tokens() const {
    return {token_memory.as<std::int32_t>(), static_cast<std::size_t>(point.tokens)};
  }

  [[nodiscard]] EmbeddingForward forward() const { return {.tokens = tokens(), .table = rows(), .y = view()}; }
  [[nodiscard]] EmbeddingBackward backward() const { return {.tokens = tokens(), .dy = view(), .dtable = rows()}; }

  Point point;
  Buffer token_memory, table, y;
  std::unique_ptr<Embedding> kernel;
};

void add(Suite& suite, const Point& point) {
  const std::string where = fmt::format("{}/{}/T:{}/V:{}/C:{}", name_of(point.backend), name_of(point.dtype),
                                        point.tokens, point.vocab_size, point.columns);
  const std::vector<std::int32_t> tokens = draw_tokens(point);
  const std::int64_t distinct = std::ssize(std::set<std::int32_t>(tokens.begin(), tokens.end()));
  suite.add({.name = "forward/" + where, .family = "embedding", .backend = point.backend, .dtype = point.dtype},
            [point] {
              const auto operands = std::make_shared<Operands>(point);
              return Operation{.run = [operands] { operands->kernel->forward(operands->forward()); },
                               .cost = cost_of(operands->forward())};
            });
  suite.add({.name = "backward/" + where, .family = "embedding", .backend = point.backend, .dtype = point.dtype},
            [point, distinct] {
              const auto operands = std::make_shared<Operands>(point);
              return Operation{.run = [operands] { operands->kernel->backward(operands->backward()); },
                               .cost = cost_of(operands->backward(), distinct)};
            });
}

}  // namespace

void register_cases(Suite& suite) {
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    for (const Backend backend : tuned_backends()) {
      add(suite, {backend, dtype, 16384, 32000, 2048});
    }
    add(suite, {Backend::reference, dtype, 256, 1000, 2048});
  }
}

}  // namespace ringworld::bench
