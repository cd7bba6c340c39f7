/// @file  Vector quantisation: the search in LWM's codebook and in a tiny one, and what training does with the codes.
///
///   bench_vector_quantizer --benchmark_filter='nearest/host/.*'

#include "kernels/vector_quantizer/vector_quantizer.hpp"

#include <fmt/format.h>

#include <memory>
#include <vector>

#include "kernels/bench/common/random_values.hpp"
#include "kernels/bench/common/suite.hpp"
#include "kernels/vector_quantizer/cost.hpp"

namespace ringworld::bench {
namespace {

struct Point {
  Backend backend;
  std::int64_t vectors;
  std::int64_t codes;
  std::int64_t size;
  std::int64_t threads = 1;
};

struct Operands {
  explicit Operands(const Point& point_in)
      : point(point_in),
        z(normals(point.vectors, 1)),
        codebook(normals(point.codes, 2)),
        quantized(normals(point.vectors, 3)),
        dquantized(normals(point.vectors, 4)),
        dcodebook(normals(point.codes, 5)),
        error(make_normals(DType::float32, point.vectors, 6, device_of(point.backend))),
        codes(make_copy(std::vector<std::int32_t>(static_cast<std::size_t>(point.vectors)), device_of(point.backend))),
        kernel(make_vector_quantizer(point.backend, {.threads = static_cast<int>(point.threads)})) {
    kernel->nearest(nearest());
  }

  [[nodiscard]] Buffer normals(std::int64_t rows, std::uint64_t stream) const {
    return make_normals(DType::float32, rows * point.size, stream, device_of(point.backend));
  }
  [[nodiscard]] TensorView<float, 2> vectors(const Buffer& buffer) const {
    return {buffer.as<float>(), {point.vectors, point.size}};
  }
  [[nodiscard]] TensorView<float, 2> table(const Buffer& buffer) const {
    return {buffer.as<float>(), {point.codes, point.size}};
  }

  [[nodiscard]] NearestCode nearest() const {
    return {.z = vectors(z),
            .codebook = table(codebook),
            .codes = codes.as<std::int32_t>(),
            .squared_error = error.as<float>()};
  }
  [[nodiscard]] CodeLookUp look_up() const {
    return {.codes = codes.as<std::int32_t>(), .codebook = table(codebook), .quantized = vectors(quantized)};
  }
  [[nodiscard]] QuantizerBackward backward() const {
    return {.codes = codes.as<std::int32_t>(),
            .z = vectors(z),
            .codebook = table(codebook),
            .dquantized = vectors(dquantized),
            .codebook_scale = 1e-3F,
            .commitment_scale = 1e-3F,
            .dz = vectors(quantized),
            .dcodebook = table(dcodebook)};
  }

  Point point;
  Buffer z, codebook, quantized, dquantized, dcodebook, error, codes;
  std::unique_ptr<VectorQuantizer> kernel;
};

void add(Suite& suite, const Point& point) {
  const std::string where = fmt::format("{}/float32/T:{}/K:{}/D:{}/threads:{}", name_of(point.backend), point.vectors,
                                        point.codes, point.size, point.threads);
  const auto add_case = [&](std::string_view call, auto make) {
    suite.add({.name = fmt::format("{}/{}", call, where),
               .family = "vector_quantizer",
               .backend = point.backend,
               .threads = point.threads},
              [point, make] { return make(std::make_shared<Operands>(point)); });
  };
  using Shared = std::shared_ptr<Operands>;
  add_case("nearest", [](const Shared& operands) {
    return Operation{.run = [operands] { operands->kernel->nearest(operands->nearest()); },
                     .cost = cost_of(operands->nearest())};
  });
  add_case("look_up", [](const Shared& operands) {
    return Operation{.run = [operands] { operands->kernel->look_up(operands->look_up()); },
                     .cost = cost_of(operands->look_up())};
  });
  add_case("backward", [](const Shared& operands) {
    return Operation{.run = [operands] { operands->kernel->backward(operands->backward()); },
                     .cost = cost_of(operands->backward())};
  });
}

}  // namespace

void register_cases(Suite& suite) {
  for (const Backend backend : tuned_backends()) {
    add(suite, {backend, is_on_device(backend) ? 16384 : 1024, 8192, 64});
    add(suite, {backend, 256, 256, 16});
  }
  for (const std::int64_t threads : thread_counts()) {
    if (threads > 1) {
      add(suite, {Backend::host, 1024, 8192, 64, threads});
    }
  }
  add(suite, {Backend::reference, 16, 1024, 64});
}

}  // namespace ringworld::bench
