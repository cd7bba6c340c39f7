/// @file  Group normalisation with SiLU behind it, at the shapes of LWM's tokenizer and of a tiny one.
///
///   bench_group_norm --benchmark_filter='backward/host/.*'

#include "kernels/group_norm/group_norm.hpp"

#include <fmt/format.h>

#include <array>
#include <memory>

#include "kernels/bench/common/random_values.hpp"
#include "kernels/bench/common/suite.hpp"
#include "kernels/group_norm/cost.hpp"

namespace ringworld::bench {
namespace {

struct Point {
  Backend backend;
  std::array<std::int64_t, 4> shape;
  std::int64_t groups;
  std::int64_t threads = 1;
};

struct Operands {
  explicit Operands(const Point& point_in)
      : point(point_in),
        x(images(1)),
        y(images(2)),
        gradient(images(3)),
        scale(channels(4)),
        bias(channels(5)),
        dscale(channels(6)),
        dbias(channels(7)),
        mean(make_normals(DType::float32, point.shape[0] * point.groups, 8, kind())),
        rstd(make_normals(DType::float32, point.shape[0] * point.groups, 9, kind())),
        kernel(make_group_norm(point.backend, {.threads = static_cast<int>(point.threads)})) {
    kernel->forward(forward());
  }

  [[nodiscard]] DeviceKind kind() const { return device_of(point.backend); }
  [[nodiscard]] Buffer images(std::uint64_t stream) const {
    return make_normals(DType::float32, element_count(point.shape), stream, kind());
  }
  [[nodiscard]] Buffer channels(std::uint64_t stream) const {
    return make_normals(DType::float32, point.shape[3], stream, kind());
  }
  [[nodiscard]] TensorView<float, 4> view(const Buffer& buffer) const { return {buffer.as<float>(), point.shape}; }
  [[nodiscard]] TensorView<float, 2> statistics(const Buffer& buffer) const {
    return {buffer.as<float>(), {point.shape[0], point.groups}};
  }

  [[nodiscard]] GroupNormForward forward() const {
    return {.groups = point.groups,
            .activation = Activation::silu,
            .x = view(x),
            .scale = scale.as<float>(),
            .bias = bias.as<float>(),
            .y = view(y),
            .mean = statistics(mean),
            .rstd = statistics(rstd)};
  }
  [[nodiscard]] GroupNormBackward backward() const {
    return {.groups = point.groups,
            .activation = Activation::silu,
            .dy = view(y),
            .x = view(x),
            .scale = scale.as<float>(),
            .bias = bias.as<float>(),
            .mean = statistics(mean),
            .rstd = statistics(rstd),
            .dx = view(gradient),
            .dscale = dscale.as<float>(),
            .dbias = dbias.as<float>()};
  }

  Point point;
  Buffer x, y, gradient, scale, bias, dscale, dbias, mean, rstd;
  std::unique_ptr<GroupNorm> kernel;
};

void add(Suite& suite, const Point& point) {
  const auto& [frames, height, width, channels] = point.shape;
  const std::string where = fmt::format("{}/float32/N:{}/H:{}/W:{}/C:{}/G:{}/threads:{}", name_of(point.backend),
                                        frames, height, width, channels, point.groups, point.threads);
  suite.add({.name = "forward/" + where, .family = "group_norm", .backend = point.backend, .threads = point.threads},
            [point] {
              const auto operands = std::make_shared<Operands>(point);
              return Operation{.run = [operands] { operands->kernel->forward(operands->forward()); },
                               .cost = cost_of(operands->forward())};
            });
  suite.add({.name = "backward/" + where, .family = "group_norm", .backend = point.backend, .threads = point.threads},
            [point] {
              const auto operands = std::make_shared<Operands>(point);
              return Operation{.run = [operands] { operands->kernel->backward(operands->backward()); },
                               .cost = cost_of(operands->backward())};
            });
}

}  // namespace

void register_cases(Suite& suite) {
  for (const Backend backend : tuned_backends()) {
    // LWM's first and last level; then a batch of a tiny tokenizer.
    add(suite, {backend, {1, 256, 256, 128}, 32});
    add(suite, {backend, {is_on_device(backend) ? 64 : 4, 16, 16, 768}, 32});
    add(suite, {backend, {16, 32, 32, 16}, 4});
  }
  for (const std::int64_t threads : thread_counts()) {
    if (threads > 1) {
      add(suite, {Backend::host, {1, 256, 256, 128}, 32, threads});
    }
  }
  add(suite, {Backend::reference, {1, 32, 32, 32}, 4});
}

}  // namespace ringworld::bench
