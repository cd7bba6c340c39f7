/// @file  The copies and sums between kernels: packing of keys for the ring, gradients added up, weights rounded.
///
///   bench_tensor --benchmark_filter='copy_activations/cuda/.*'

#include "kernels/tensor/tensor.hpp"

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <string_view>

#include "kernels/bench/common/random_values.hpp"
#include "kernels/bench/common/suite.hpp"

namespace ringworld::bench {
namespace {

struct Point {
  Backend backend;
  std::int64_t tokens;
  std::int64_t columns;  ///< heads * head_size
};

constexpr std::int64_t head_size = 128;

struct Operands {
  explicit Operands(const Point& point_in)
      : point(point_in),
        floats(make_normals(DType::float32, point.tokens * point.columns, 1, device_of(point.backend))),
        sums(make_normals(DType::float32, point.tokens * point.columns, 2, device_of(point.backend))),
        halves(make_normals(DType::bfloat16, 2 * point.tokens * point.columns, 3, device_of(point.backend))),
        ops(make_tensor_ops(point.backend)) {}

  [[nodiscard]] RowsView rows(const Buffer& buffer, DType dtype) const {
    return {buffer.data(), dtype, {point.tokens, point.columns}};
  }
  [[nodiscard]] std::span<float> values(const Buffer& buffer) const {
    return {buffer.as<float>(), static_cast<std::size_t>(point.tokens * point.columns)};
  }
  /// (1, T, H, D) of a buffer whose tokens are `stride` apart.
  [[nodiscard]] ActivationView heads(bf16* data, std::int64_t stride) const {
    return {data,
            DType::bfloat16,
            {1, point.tokens, point.columns / head_size, head_size},
            {point.tokens * stride, stride, head_size, 1}};
  }

  Point point;
  Buffer floats, sums, halves;
  std::unique_ptr<TensorOps> ops;
};

/// @param bytes  an element of (T, C) that is read and written
void add(Suite& suite, const Point& point, std::string_view name, double bytes,
         const std::function<void(Operands&)>& operation) {
  suite.add({.name = fmt::format("{}/{}/T:{}/C:{}", name, name_of(point.backend), point.tokens, point.columns),
             .family = "tensor",
             .backend = point.backend,
             .bytes = bytes * static_cast<double>(point.tokens * point.columns)},
            [=] {
              const auto operands = std::make_shared<Operands>(point);
              return [=] { operation(*operands); };
            });
}

void add_all(Suite& suite, const Point& point) {
  add(suite, point, "fill_zero", 4, [](Operands& all) { all.ops->fill_zero(all.values(all.sums)); });
  add(suite, point, "add", 12, [](Operands& all) { all.ops->add(all.values(all.floats), all.values(all.sums)); });
  add(suite, point, "copy_rows_to_bfloat16", 6, [](Operands& all) {
    all.ops->copy_rows(all.rows(all.floats, DType::float32), all.rows(all.halves, DType::bfloat16));
  });
  add(suite, point, "copy_activations", 4, [](Operands& all) {
    const std::int64_t columns = all.point.columns;
    all.ops->copy_activations(all.heads(all.halves.as<bf16>(), columns),
                              all.heads(all.halves.as<bf16>() + all.point.tokens * columns, columns));
  });
  add(suite, point, "add_column_sums", 2, [](Operands& all) {
    all.ops->add_column_sums(all.rows(all.halves, DType::bfloat16),
                             all.values(all.sums).first(static_cast<std::size_t>(all.point.columns)));
  });
}

}  // namespace

void register_cases(Suite& suite) {
  for (const Backend backend : tuned_backends()) {
    add_all(suite, {backend, backend == Backend::cuda ? 32768 : 4096, 4096});
  }
}

}  // namespace ringworld::bench
