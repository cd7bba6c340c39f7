/// @file  Softmax cross-entropy of a block of tokens; the gradient replaces the logits.
///
///   bench_loss --benchmark_filter='backward/host/.*'

#include "kernels/loss/loss.hpp"

#include <fmt/format.h>

#include <memory>
#include <vector>

#include "kernels/bench/common/random_values.hpp"
#include "kernels/bench/common/suite.hpp"
#include "perf/elementwise_model.hpp"

namespace ringworld::bench {
namespace {

struct Point {
  Backend backend;
  std::int64_t tokens;
  std::int64_t vocab_size;
};

struct Operands {
  explicit Operands(const Point& point_in)
      : point(point_in),
        targets(static_cast<std::size_t>(point.tokens), static_cast<std::int32_t>(point.vocab_size / 2)),
        weights(targets.size(), 1.0F),
        nll(targets.size()),
        logits(make_normals(DType::float32, point.tokens * point.vocab_size, 1)),
        kernel(make_cross_entropy(point.backend)) {}

  [[nodiscard]] TensorView<float, 2> view() const { return {logits.as<float>(), {point.tokens, point.vocab_size}}; }

  void forward() { kernel->forward({.logits = view(), .targets = targets, .nll = nll}); }
  /// From the second iteration on the logits are gradients: other numbers, the same work.
  void backward() { kernel->backward({.logits = view(), .targets = targets, .weights = weights, .nll = nll}); }

  Point point;
  std::vector<std::int32_t> targets;
  std::vector<float> weights, nll;
  Buffer logits;
  std::unique_ptr<CrossEntropy> kernel;
};

void add(Suite& suite, const Point& point) {
  const std::string where = fmt::format("{}/float32/T:{}/V:{}", name_of(point.backend), point.tokens, point.vocab_size);
  suite.add({.name = "forward/" + where,
             .family = "loss",
             .backend = point.backend,
             .bytes = static_cast<double>(cross_entropy_forward_bytes(point.tokens, point.vocab_size))},
            [point] { return [operands = std::make_shared<Operands>(point)] { operands->forward(); }; });
  suite.add({.name = "backward/" + where,
             .family = "loss",
             .backend = point.backend,
             .bytes = static_cast<double>(cross_entropy_backward_bytes(point.tokens, point.vocab_size))},
            [point] { return [operands = std::make_shared<Operands>(point)] { operands->backward(); }; });
}

}  // namespace

void register_cases(Suite& suite) {
  add(suite, {Backend::host, 1024, 32000});
  add(suite, {Backend::host, 65536, 512});
  add(suite, {Backend::reference, 64, 32000});
}

}  // namespace ringworld::bench
