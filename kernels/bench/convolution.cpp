/// @file  Convolutions of LWM's tokenizer and of a tiny one: first, middle and last level, down-sampling, a shortcut.
///
///   bench_convolution --benchmark_filter='forward/host/.*'

#include "kernels/convolution/convolution.hpp"

#include <fmt/format.h>

#include <array>
#include <memory>

#include "kernels/bench/common/random_values.hpp"
#include "kernels/bench/common/suite.hpp"
#include "kernels/convolution/cost.hpp"

namespace ringworld::bench {
namespace {

struct Point {
  Backend backend;
  ConvolutionShape shape;
  std::array<std::int64_t, 4> x_shape;
  std::int64_t outputs;
  std::int64_t threads = 1;

  [[nodiscard]] std::array<std::int64_t, 4> y_shape() const {
    return {x_shape[0], shape.output_side(x_shape[1]), shape.output_side(x_shape[2]), outputs};
  }
  [[nodiscard]] std::array<std::int64_t, 4> weight_shape() const {
    return {shape.kernel, shape.kernel, x_shape[3], outputs};
  }
};

struct Operands {
  explicit Operands(const Point& point_in)
      : point(point_in),
        x(normals(element_count(point.x_shape), 1)),
        y(normals(element_count(point.y_shape()), 2)),
        weight(normals(element_count(point.weight_shape()), 3)),
        bias(normals(point.outputs, 4)),
        dx(normals(element_count(point.x_shape), 5)),
        dweight(normals(element_count(point.weight_shape()), 6)),
        dbias(normals(point.outputs, 7)),
        kernel(make_convolution(point.backend, {.threads = static_cast<int>(point.threads)})) {}

  [[nodiscard]] Buffer normals(std::int64_t count, std::uint64_t stream) const {
    return make_normals(DType::float32, count, stream, device_of(point.backend));
  }
  [[nodiscard]] static TensorView<float, 4> view(const Buffer& buffer, const std::array<std::int64_t, 4>& shape) {
    return {buffer.as<float>(), shape};
  }

  [[nodiscard]] ConvolutionForward forward() const {
    return {.shape = point.shape,
            .x = view(x, point.x_shape),
            .weight = view(weight, point.weight_shape()),
            .bias = bias.as<float>(),
            .y = view(y, point.y_shape())};
  }
  [[nodiscard]] ConvolutionBackward backward() const {
    return {.shape = point.shape,
            .dy = view(y, point.y_shape()),
            .x = view(x, point.x_shape),
            .weight = view(weight, point.weight_shape()),
            .dx = view(dx, point.x_shape),
            .dweight = view(dweight, point.weight_shape()),
            .dbias = dbias.as<float>()};
  }

  Point point;
  Buffer x, y, weight, bias, dx, dweight, dbias;
  std::unique_ptr<Convolution> kernel;
};

void add(Suite& suite, const Point& point) {
  const auto& [frames, height, width, inputs] = point.x_shape;
  const std::string where =
      fmt::format("{}/float32/k:{}/s:{}/N:{}/H:{}/W:{}/I:{}/O:{}/threads:{}", name_of(point.backend),
                  point.shape.kernel, point.shape.stride, frames, height, width, inputs, point.outputs, point.threads);
  suite.add({.name = "forward/" + where, .family = "convolution", .backend = point.backend, .threads = point.threads},
            [point] {
              const auto operands = std::make_shared<Operands>(point);
              return Operation{.run = [operands] { operands->kernel->forward(operands->forward()); },
                               .cost = cost_of(operands->forward())};
            });
  suite.add({.name = "backward/" + where, .family = "convolution", .backend = point.backend, .threads = point.threads},
            [point] {
              const auto operands = std::make_shared<Operands>(point);
              return Operation{.run = [operands] { operands->kernel->backward(operands->backward()); },
                               .cost = cost_of(operands->backward())};
            });
}

}  // namespace

void register_cases(Suite& suite) {
  constexpr ConvolutionShape same{};
  constexpr ConvolutionShape down{.kernel = 3, .stride = 2, .pad_begin = 0, .pad_end = 1};
  constexpr ConvolutionShape single{.kernel = 1, .stride = 1, .pad_begin = 0, .pad_end = 0};
  for (const Backend backend : tuned_backends()) {
    const std::int64_t frames = is_on_device(backend) ? 16 : 1;
    add(suite, {backend, same, {frames, 256, 256, 3}, 128});
    add(suite, {backend, same, {frames, 64, 64, 256}, 256});
    add(suite, {backend, same, {frames, 16, 16, 768}, 768});
    add(suite, {backend, down, {frames, 128, 128, 128}, 128});
    add(suite, {backend, single, {frames, 128, 128, 128}, 256});
    add(suite, {backend, same, {16, 32, 32, 16}, 16});
    add(suite, {backend, same, {16, 8, 8, 32}, 32});
  }
  for (const std::int64_t threads : thread_counts()) {
    if (threads > 1) {
      add(suite, {Backend::host, same, {1, 64, 64, 256}, 256, threads});
    }
  }
  add(suite, {Backend::reference, same, {1, 8, 8, 16}, 16});
}

}  // namespace ringworld::bench
