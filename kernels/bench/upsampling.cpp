/// @file  Nearest up-sampling of frames and the sum of its gradients, at the largest step of LWM's tokenizer and of a
/// tiny one.
///
///   bench_upsampling --benchmark_filter='.*/host/.*'

#include "kernels/upsampling/upsampling.hpp"

#include <fmt/format.h>

#include <array>
#include <memory>

#include "kernels/bench/common/random_values.hpp"
#include "kernels/bench/common/suite.hpp"
#include "kernels/upsampling/cost.hpp"

namespace ringworld::bench {
namespace {

struct Point {
  Backend backend;
  std::array<std::int64_t, 4> shape;
};

struct Operands {
  explicit Operands(const Point& point_in)
      : point(point_in),
        small(make_normals(DType::float32, element_count(point.shape), 1, device_of(point.backend))),
        large(make_normals(DType::float32, 4 * element_count(point.shape), 2, device_of(point.backend))),
        kernel(make_upsampling(point.backend)) {}

  [[nodiscard]] TensorView<float, 4> of_small() const { return {small.as<float>(), point.shape}; }
  [[nodiscard]] TensorView<float, 4> of_large() const {
    const auto& [frames, height, width, channels] = point.shape;
    return {large.as<float>(), {frames, 2 * height, 2 * width, channels}};
  }

  [[nodiscard]] UpsamplingForward forward() const { return {.x = of_small(), .y = of_large()}; }
  [[nodiscard]] UpsamplingBackward backward() const { return {.dy = of_large(), .dx = of_small()}; }

  Point point;
  Buffer small, large;
  std::unique_ptr<Upsampling> kernel;
};

void add(Suite& suite, const Point& point) {
  const auto& [frames, height, width, channels] = point.shape;
  const std::string where =
      fmt::format("{}/float32/N:{}/H:{}/W:{}/C:{}", name_of(point.backend), frames, height, width, channels);
  suite.add({.name = "forward/" + where, .family = "upsampling", .backend = point.backend}, [point] {
    const auto operands = std::make_shared<Operands>(point);
    return Operation{.run = [operands] { operands->kernel->forward(operands->forward()); },
                     .cost = cost_of(operands->forward())};
  });
  suite.add({.name = "backward/" + where, .family = "upsampling", .backend = point.backend}, [point] {
    const auto operands = std::make_shared<Operands>(point);
    return Operation{.run = [operands] { operands->kernel->backward(operands->backward()); },
                     .cost = cost_of(operands->backward())};
  });
}

}  // namespace

void register_cases(Suite& suite) {
  for (const Backend backend : tuned_backends()) {
    add(suite, {backend, {is_on_device(backend) ? 16 : 1, 128, 128, 256}});
    add(suite, {backend, {16, 16, 16, 16}});
  }
  add(suite, {Backend::reference, {1, 16, 16, 16}});
}

}  // namespace ringworld::bench
