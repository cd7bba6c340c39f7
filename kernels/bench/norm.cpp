/// @file  RMSNorm as the model runs it: forward with the residual branch added, backward into the residual gradient.
///
///   bench_norm --benchmark_filter='forward.*/host/.*'

#include "kernels/norm/norm.hpp"

#include <fmt/format.h>

#include <memory>

#include "kernels/bench/common/random_values.hpp"
#include "kernels/bench/common/suite.hpp"
#include "kernels/norm/cost.hpp"

namespace ringworld::bench {
namespace {

struct Point {
  Backend backend;
  DType dtype;
  std::int64_t tokens;
  std::int64_t columns;
  bool has_branch;
};

/// A block's activations and their gradients.
struct Operands {
  explicit Operands(const Point& point_in)
      : point(point_in),
        stream(make_normals(point.dtype, point.tokens * point.columns, 1, kind())),
        branch(make_normals(point.dtype, point.tokens * point.columns, 2, kind())),
        y(make_normals(point.dtype, point.tokens * point.columns, 3, kind())),
        gradient(make_normals(point.dtype, point.tokens * point.columns, 4, kind())),
        weight(make_normals(DType::float32, point.columns, 5, kind())),
        dweight(make_normals(DType::float32, point.columns, 6, kind())),
        inverse_rms(make_normals(DType::float32, point.tokens, 7, kind())),
        kernel(make_rms_norm(point.backend)) {}

  [[nodiscard]] DeviceKind kind() const { return device_of(point.backend); }
  [[nodiscard]] RowsView view(const Buffer& buffer) const {
    return {buffer.data(), point.dtype, {point.tokens, point.columns}};
  }
  [[nodiscard]] std::span<float> of_columns(const Buffer& buffer) const {
    return {buffer.as<float>(), static_cast<std::size_t>(point.columns)};
  }
  [[nodiscard]] std::span<float> of_tokens(const Buffer& buffer) const {
    return {buffer.as<float>(), static_cast<std::size_t>(point.tokens)};
  }

  [[nodiscard]] RmsNormForward forward() const {
    return {.x = view(stream),
            .branch = point.has_branch ? view(branch) : RowsView(),
            .sum = point.has_branch ? view(stream) : RowsView(),
            .weight = of_columns(weight),
            .y = view(y),
            .inverse_rms = of_tokens(inverse_rms)};
  }
  [[nodiscard]] RmsNormBackward backward() const {
    return {.dy = view(y),
            .x = view(stream),
            .weight = of_columns(weight),
            .inverse_rms = of_tokens(inverse_rms),
            .residual_gradient = point.has_branch ? view(gradient) : RowsView(),
            .dx = view(gradient),
            .dweight = of_columns(dweight)};
  }

  Point point;
  Buffer stream, branch, y, gradient, weight, dweight, inverse_rms;
  std::unique_ptr<RmsNorm> kernel;
};

void add(Suite& suite, const Point& point) {
  const std::string where =
      fmt::format("{}/{}/T:{}/C:{}", name_of(point.backend), name_of(point.dtype), point.tokens, point.columns);
  suite.add({.name = fmt::format("{}/{}", point.has_branch ? "add_forward" : "forward", where),
             .family = "norm",
             .backend = point.backend,
             .dtype = point.dtype},
            [point] {
              const auto operands = std::make_shared<Operands>(point);
              return Operation{.run = [operands] { operands->kernel->forward(operands->forward()); },
                               .cost = cost_of(operands->forward())};
            });
  suite.add({.name = fmt::format("{}/{}", point.has_branch ? "add_backward" : "backward", where),
             .family = "norm",
             .backend = point.backend,
             .dtype = point.dtype},
            [point] {
              const auto operands = std::make_shared<Operands>(point);
              return Operation{.run = [operands] { operands->kernel->backward(operands->backward()); },
                               .cost = cost_of(operands->backward())};
            });
}

}  // namespace

void register_cases(Suite& suite) {
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    for (const bool has_branch : {false, true}) {
      for (const Backend backend : tuned_backends()) {
        // Several times what the last cache holds.
        const std::int64_t factor = is_on_device(backend) ? 4 : 1;
        add(suite, {backend, dtype, factor * 4096, 4096, has_branch});
        add(suite, {backend, dtype, factor * 65536, 256, has_branch});
      }
      add(suite, {Backend::reference, dtype, 256, 4096, has_branch});
    }
  }
}

}  // namespace ringworld::bench
