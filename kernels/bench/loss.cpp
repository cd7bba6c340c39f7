/// @file  Softmax cross-entropy of a block of tokens; the gradient replaces the logits.
///
///   bench_loss --benchmark_filter='backward/host/.*'

#include "kernels/loss/loss.hpp"

#include <fmt/format.h>

#include <memory>
#include <vector>

#include "kernels/bench/common/random_values.hpp"
#include "kernels/bench/common/suite.hpp"
#include "kernels/loss/cost.hpp"

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
        targets(make_copy(std::vector<std::int32_t>(static_cast<std::size_t>(point.tokens),
                                                    static_cast<std::int32_t>(point.vocab_size / 2)),
                          kind())),
        weights(make_copy(std::vector<float>(static_cast<std::size_t>(point.tokens), 1.0F), kind())),
        nll(point.tokens * size_of(DType::float32), kind()),
        logits(make_normals(DType::float32, point.tokens * point.vocab_size, 1, kind())),
        kernel(make_cross_entropy(point.backend)) {}

  [[nodiscard]] TensorView<float, 2> view() const { return {logits.as<float>(), {point.tokens, point.vocab_size}}; }

  [[nodiscard]] DeviceKind kind() const { return device_of(point.backend); }
  template <class T>
  [[nodiscard]] std::span<T> of_tokens(const Buffer& buffer) const {
    return {buffer.as<T>(), static_cast<std::size_t>(point.tokens)};
  }

  [[nodiscard]] CrossEntropyForward forward() const {
    return {.logits = view(), .targets = of_tokens<std::int32_t>(targets), .nll = of_tokens<float>(nll)};
  }
  /// From the second iteration on the logits are gradients: other numbers, the same work.
  [[nodiscard]] CrossEntropyBackward backward() const {
    return {.logits = view(),
            .targets = of_tokens<std::int32_t>(targets),
            .weights = of_tokens<float>(weights),
            .nll = of_tokens<float>(nll)};
  }

  Point point;
  Buffer targets, weights, nll, logits;
  std::unique_ptr<CrossEntropy> kernel;
};

void add(Suite& suite, const Point& point) {
  const std::string where = fmt::format("{}/float32/T:{}/V:{}", name_of(point.backend), point.tokens, point.vocab_size);
  suite.add({.name = "forward/" + where, .family = "loss", .backend = point.backend}, [point] {
    const auto operands = std::make_shared<Operands>(point);
    return Operation{.run = [operands] { operands->kernel->forward(operands->forward()); },
                     .cost = cost_of(operands->forward())};
  });
  suite.add({.name = "backward/" + where, .family = "loss", .backend = point.backend}, [point] {
    const auto operands = std::make_shared<Operands>(point);
    return Operation{.run = [operands] { operands->kernel->backward(operands->backward()); },
                     .cost = cost_of(operands->backward())};
  });
}

}  // namespace

void register_cases(Suite& suite) {
  for (const Backend backend : tuned_backends()) {
    const std::int64_t factor = is_on_device(backend) ? 4 : 1;  // several times what the last cache holds
    add(suite, {backend, factor * 1024, 32000});
    add(suite, {backend, factor * 65536, 512});
  }
  add(suite, {Backend::reference, 64, 32000});
}

}  // namespace ringworld::bench
