/// @file  The copies and sums between kernels: packing of keys for the ring, gradients added up, weights rounded.
///
///   bench_tensor --benchmark_filter='copy_activations/host/.*'

#include "kernels/tensor/tensor.hpp"

#include <fmt/format.h>

#include <functional>
#include <memory>
#include <string_view>

#include "kernels/bench/common/random_values.hpp"
#include "kernels/bench/common/suite.hpp"
#include "kernels/tensor/cost.hpp"

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

/// @param work  per element of (T, C)
void add(Suite& suite, const Point& point, std::string_view name, const TensorWork& work,
         const std::function<void(Operands&)>& operation) {
  suite.add({.name = fmt::format("{}/{}/T:{}/C:{}", name, name_of(point.backend), point.tokens, point.columns),
             .family = "tensor",
             .backend = point.backend},
            [=] {
              const auto operands = std::make_shared<Operands>(point);
              const std::int64_t elements = point.tokens * point.columns;
              return Operation{.run = [=] { operation(*operands); },
                               .cost = cost_of(TensorWork{.operation = work.operation,
                                                          .elements = elements,
                                                          .from_bytes = elements * work.from_bytes,
                                                          .to_bytes = elements * work.to_bytes})};
            });
}

void add_all(Suite& suite, const Point& point) {
  add(suite, point, "fill_zero", {TensorOperation::fill_zero, 1, 0, 4},
      [](Operands& all) { all.ops->fill_zero(all.values(all.sums)); });
  add(suite, point, "add", {TensorOperation::add, 1, 4, 4},
      [](Operands& all) { all.ops->add(all.values(all.floats), all.values(all.sums)); });
  add(suite, point, "copy_rows_to_bfloat16", {TensorOperation::copy, 1, 4, 2}, [](Operands& all) {
    all.ops->copy_rows(all.rows(all.floats, DType::float32), all.rows(all.halves, DType::bfloat16));
  });
  add(suite, point, "copy_activations", {TensorOperation::copy, 1, 2, 2}, [](Operands& all) {
    const std::int64_t columns = all.point.columns;
    all.ops->copy_activations(all.heads(all.halves.as<bf16>(), columns),
                              all.heads(all.halves.as<bf16>() + all.point.tokens * columns, columns));
  });
  add(suite, point, "add_column_sums", {TensorOperation::add_column_sums, 1, 2, 0}, [](Operands& all) {
    all.ops->add_column_sums(all.rows(all.halves, DType::bfloat16),
                             all.values(all.sums).first(static_cast<std::size_t>(all.point.columns)));
  });
}

}  // namespace

void register_cases(Suite& suite) {
  for (const Backend backend : tuned_backends()) {
    add_all(suite, {backend, is_on_device(backend) ? 32768 : 4096, 4096});
  }
}

}  // namespace ringworld::bench
