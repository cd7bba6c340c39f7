/// @file  The reconstruction loss of a batch of frames, with and without its gradient.
///
///   bench_reconstruction_loss --benchmark_filter='.*/host/.*'

#include "kernels/reconstruction_loss/reconstruction_loss.hpp"

#include <fmt/format.h>

#include <memory>

#include "kernels/bench/common/random_values.hpp"
#include "kernels/bench/common/suite.hpp"
#include "kernels/reconstruction_loss/cost.hpp"

namespace ringworld::bench {
namespace {

struct Point {
  Backend backend;
  std::int64_t frames;
  std::int64_t elements;
  bool has_gradient;
};

struct Operands {
  explicit Operands(const Point& point_in)
      : point(point_in),
        reconstruction(images(1)),
        target(images(2)),
        gradient(images(3)),
        sums(make_normals(DType::float32, 2 * point.frames, 4, device_of(point.backend))),
        kernel(make_reconstruction_loss(point.backend)) {}

  [[nodiscard]] Buffer images(std::uint64_t stream) const {
    return make_normals(DType::float32, point.frames * point.elements, stream, device_of(point.backend));
  }
  [[nodiscard]] TensorView<float, 2> view(const Buffer& buffer) const {
    return {buffer.as<float>(), {point.frames, point.elements}};
  }
  [[nodiscard]] ReconstructionLossPass pass() const {
    return {.reconstruction = view(reconstruction),
            .target = view(target),
            .absolute_scale = 0.5F,
            .squared_scale = 0.5F,
            .absolute_and_squared = {sums.as<float>(), {point.frames, 2}},
            .dreconstruction = point.has_gradient ? view(gradient) : TensorView<float, 2>()};
  }

  Point point;
  Buffer reconstruction, target, gradient, sums;
  std::unique_ptr<ReconstructionLoss> kernel;
};

void add(Suite& suite, const Point& point) {
  suite.add({.name = fmt::format("{}/{}/float32/N:{}/E:{}", point.has_gradient ? "forward_backward" : "forward",
                                 name_of(point.backend), point.frames, point.elements),
             .family = "reconstruction_loss",
             .backend = point.backend},
            [point] {
              const auto operands = std::make_shared<Operands>(point);
              return Operation{.run = [operands] { operands->kernel->forward_backward(operands->pass()); },
                               .cost = cost_of(operands->pass())};
            });
}

}  // namespace

void register_cases(Suite& suite) {
  for (const bool has_gradient : {false, true}) {
    for (const Backend backend : tuned_backends()) {
      add(suite, {backend, is_on_device(backend) ? 128 : 16, 256 * 256 * 3, has_gradient});
      add(suite, {backend, 16, 32 * 32 * 3, has_gradient});
    }
    add(suite, {Backend::reference, 2, 32 * 32 * 3, has_gradient});
  }
}

}  // namespace ringworld::bench
