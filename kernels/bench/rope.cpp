/// @file  RoPE in place; turning back costs the same.
///
///   bench_rope --benchmark_filter='half_split/host/.*'

#include "kernels/rope/rope.hpp"

#include <fmt/format.h>

#include <memory>
#include <numeric>
#include <vector>

#include "kernels/bench/common/random_values.hpp"
#include "kernels/bench/common/suite.hpp"
#include "kernels/rope/cost.hpp"

namespace ringworld::bench {
namespace {

struct Point {
  Backend backend;
  DType dtype;
  RopePairing pairing;
  std::int64_t tokens;
  std::int64_t heads;
  std::int64_t head_size;
};

struct Operands {
  explicit Operands(const Point& point_in)
      : point(point_in),
        x(make_normals(point.dtype, point.tokens * point.heads * point.head_size, 1, device_of(point.backend))),
        kernel(make_rope(point.backend)) {
    std::vector<std::int64_t> positions(static_cast<std::size_t>(point.tokens));
    std::iota(positions.begin(), positions.end(), 0);
    table = Buffer(point.tokens * point.head_size * size_of(DType::float32));
    build_rope_table(positions, {.head_size = point.head_size, .theta = 1e6}, cosine(), sine());
    table = make_copy(table.data(), table.bytes(), device_of(point.backend));
  }

  [[nodiscard]] TensorView<float, 2> cosine() const { return {table.as<float>(), {point.tokens, point.head_size / 2}}; }
  [[nodiscard]] TensorView<float, 2> sine() const {
    return {table.as<float>() + point.tokens * point.head_size / 2, {point.tokens, point.head_size / 2}};
  }

  [[nodiscard]] RopeRotation rotate() const {
    return {.x = ActivationView(x.data(), point.dtype, {1, point.tokens, point.heads, point.head_size}),
            .cosine = cosine(),
            .sine = sine(),
            .pairing = point.pairing};
  }

  Point point;
  Buffer x, table;
  std::unique_ptr<Rope> kernel;
};

void add(Suite& suite, const Point& point) {
  suite.add({.name = fmt::format("{}/{}/{}/T:{}/H:{}/D:{}", name_of(point.pairing), name_of(point.backend),
                                 name_of(point.dtype), point.tokens, point.heads, point.head_size),
             .family = "rope",
             .backend = point.backend,
             .dtype = point.dtype},
            [point] {
              const auto operands = std::make_shared<Operands>(point);
              return Operation{.run = [operands] { operands->kernel->rotate(operands->rotate()); },
                               .cost = cost_of(operands->rotate())};
            });
}

}  // namespace

void register_cases(Suite& suite) {
  for (const RopePairing pairing : {RopePairing::interleaved, RopePairing::half_split}) {
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      for (const Backend backend : tuned_backends()) {
        const std::int64_t factor = is_on_device(backend) ? 8 : 1;  // several times what the last cache holds
        add(suite, {backend, dtype, pairing, factor * 4096, 32, 128});
        add(suite, {backend, dtype, pairing, factor * 32768, 8, 64});
      }
      add(suite, {Backend::reference, dtype, pairing, 256, 32, 128});
    }
  }
}

}  // namespace ringworld::bench
