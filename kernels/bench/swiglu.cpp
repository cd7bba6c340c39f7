/// @file  SwiGLU; gate and up are the halves of one buffer, the gradients take their place.
///
///   bench_swiglu --benchmark_filter='forward/host/.*'

#include "kernels/swiglu/swiglu.hpp"

#include <fmt/format.h>

#include <memory>

#include "kernels/bench/common/random_values.hpp"
#include "kernels/bench/common/suite.hpp"
#include "kernels/swiglu/cost.hpp"

namespace ringworld::bench {
namespace {

struct Point {
  Backend backend;
  DType dtype;
  std::int64_t tokens;
  std::int64_t columns;
};

struct Operands {
  explicit Operands(const Point& point_in)
      : point(point_in),
        gate_and_up(make_normals(point.dtype, 2 * point.tokens * point.columns, 1, device_of(point.backend))),
        gradients(make_normals(point.dtype, 2 * point.tokens * point.columns, 2, device_of(point.backend))),
        y(make_normals(point.dtype, point.tokens * point.columns, 3, device_of(point.backend))),
        dy(make_normals(point.dtype, point.tokens * point.columns, 4, device_of(point.backend))),
        kernel(make_swiglu(point.backend)) {}

  [[nodiscard]] RowsView view(const Buffer& buffer) const {
    return {buffer.data(), point.dtype, {point.tokens, point.columns}};
  }
  [[nodiscard]] RowsView half(const Buffer& buffer, std::int64_t index) const {
    return RowsView(buffer.data(), point.dtype, {point.tokens, 2 * point.columns})
        .column_range(index * point.columns, point.columns);
  }

  [[nodiscard]] SwiGluForward forward() const {
    return {.gate = half(gate_and_up, 0), .up = half(gate_and_up, 1), .y = view(y)};
  }
  [[nodiscard]] SwiGluBackward backward() const {
    return {.dy = view(dy),
            .gate = half(gate_and_up, 0),
            .up = half(gate_and_up, 1),
            .dgate = half(gradients, 0),
            .dup = half(gradients, 1),
            .y = view(y)};
  }

  Point point;
  Buffer gate_and_up, gradients, y, dy;
  std::unique_ptr<SwiGlu> kernel;
};

void add(Suite& suite, const Point& point) {
  const std::string where =
      fmt::format("{}/{}/T:{}/F:{}", name_of(point.backend), name_of(point.dtype), point.tokens, point.columns);
  suite.add({.name = "forward/" + where, .family = "swiglu", .backend = point.backend, .dtype = point.dtype}, [point] {
    const auto operands = std::make_shared<Operands>(point);
    return Operation{.run = [operands] { operands->kernel->forward(operands->forward()); },
                     .cost = cost_of(operands->forward())};
  });
  suite.add({.name = "backward/" + where, .family = "swiglu", .backend = point.backend, .dtype = point.dtype}, [point] {
    const auto operands = std::make_shared<Operands>(point);
    return Operation{.run = [operands] { operands->kernel->backward(operands->backward()); },
                     .cost = cost_of(operands->backward())};
  });
}

}  // namespace

void register_cases(Suite& suite) {
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    for (const Backend backend : tuned_backends()) {
      const std::int64_t factor = is_on_device(backend) ? 8 : 1;  // several times what the last cache holds
      add(suite, {backend, dtype, factor * 2048, 11008});
      add(suite, {backend, dtype, factor * 65536, 256});
    }
    add(suite, {Backend::reference, dtype, 64, 11008});
  }
}

}  // namespace ringworld::bench
