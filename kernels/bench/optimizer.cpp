/// @file  AdamW and the sum of squares over flat parameters.
///
///   bench_optimizer --benchmark_filter='adamw/host/.*'

#include "kernels/optimizer/optimizer.hpp"

#include <fmt/format.h>

#include <memory>

#include "kernels/bench/common/random_values.hpp"
#include "kernels/bench/common/suite.hpp"
#include "kernels/optimizer/cost.hpp"

namespace ringworld::bench {
namespace {

struct Point {
  Backend backend;
  std::int64_t parameters;
  bool has_copy;
};

struct Operands {
  explicit Operands(const Point& point_in)
      : point(point_in),
        parameter(make_normals(DType::float32, point.parameters, 1, device_of(point.backend))),
        gradient(make_normals(DType::float32, point.parameters, 2, device_of(point.backend))),
        first_moment(make_normals(DType::float32, point.parameters, 3, device_of(point.backend))),
        second_moment(make_squares(point)),
        copy(make_normals(DType::bfloat16, point.parameters, 5, device_of(point.backend))),
        kernel(make_optimizer(point.backend)) {}

  /// A second moment is a mean of squares, never negative.
  static Buffer make_squares(const Point& point) {
    Buffer values = make_normals(DType::float32, point.parameters, 4);
    for (float& value : std::span(values.as<float>(), static_cast<std::size_t>(point.parameters))) {
      value *= value;
    }
    return make_copy(values.data(), values.bytes(), device_of(point.backend));
  }

  [[nodiscard]] std::span<float> floats(const Buffer& buffer) const {
    return {buffer.as<float>(), static_cast<std::size_t>(point.parameters)};
  }

  [[nodiscard]] AdamWRange range() const {
    const std::span copies(copy.as<bf16>(), static_cast<std::size_t>(point.parameters));
    return {.parameter = floats(parameter),
            .gradient = floats(gradient),
            .first_moment = floats(first_moment),
            .second_moment = floats(second_moment),
            .bfloat16_copy = point.has_copy ? copies : std::span<bf16>()};
  }
  void adamw() const { kernel->adamw(range(), {.learning_rate = 1e-4, .step = 10}); }
  void sum_of_squares() { sum = kernel->sum_of_squares(floats(gradient)); }

  Point point;
  Buffer parameter, gradient, first_moment, second_moment, copy;
  double sum = 0;
  std::unique_ptr<Optimizer> kernel;
};

void add_adamw(Suite& suite, const Point& point) {
  suite.add({.name = fmt::format("{}/{}/float32/N:{}", point.has_copy ? "adamw_copy" : "adamw", name_of(point.backend),
                                 point.parameters),
             .family = "optimizer",
             .backend = point.backend},
            [point] {
              const auto operands = std::make_shared<Operands>(point);
              return Operation{.run = [operands] { operands->adamw(); }, .cost = cost_of(operands->range())};
            });
}

void add_sum_of_squares(Suite& suite, const Point& point) {
  suite.add({.name = fmt::format("sum_of_squares/{}/float32/N:{}", name_of(point.backend), point.parameters),
             .family = "optimizer",
             .backend = point.backend},
            [point] {
              const auto operands = std::make_shared<Operands>(point);
              const std::span<const float> values = operands->floats(operands->gradient);
              return Operation{.run = [operands] { operands->sum_of_squares(); },
                               .cost = cost_of(std::span(&values, 1))};
            });
}

}  // namespace

void register_cases(Suite& suite) {
  constexpr std::int64_t parameters = std::int64_t{16} << 20;
  for (const Backend backend : tuned_backends()) {
    const std::int64_t count = is_on_device(backend) ? 8 * parameters : parameters;
    add_adamw(suite, {backend, count, false});
    add_adamw(suite, {backend, count, true});
    add_sum_of_squares(suite, {backend, count, false});
  }
  for (const bool has_copy : {false, true}) {
    add_adamw(suite, {Backend::reference, parameters / 64, has_copy});
  }
  add_sum_of_squares(suite, {Backend::reference, parameters / 64, false});
}

}  // namespace ringworld::bench
