#include <algorithm>

#include "device/buffer.hpp"
#include "kernels/elementwise/kokkos/elements.hpp"
#include "kernels/elementwise/kokkos/launch.hpp"
#include "kernels/elementwise/kokkos/math.hpp"
#include "kernels/optimizer/kokkos/square_chunk.hpp"
#include "kernels/optimizer/optimizer.hpp"

namespace ringworld {
namespace {

struct AdamWKernel {
  float* parameter;
  const float* gradient;
  float* first_moment;
  float* second_moment;
  bf16* copy;
  row::AdamWFactors by;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t index) const {
    const float scaled = gradient[index] * by.gradient_scale;
    const float first = by.beta1 * first_moment[index] + by.one_minus_beta1 * scaled;
    const float second = by.beta2 * second_moment[index] + by.one_minus_beta2 * (scaled * scaled);
    const float divisor = kokkos::square_root(second) * by.inverse_root_correction + by.epsilon;
    const float updated = parameter[index] * by.decay - by.step_size * first / divisor;
    first_moment[index] = first;
    second_moment[index] = second;
    parameter[index] = updated;
    if (copy != nullptr) {
      copy[index].bits = kokkos::narrow(updated);
    }
  }
};

struct SquareKernel {
  const float* values;
  std::int64_t count;
  double* sums;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t part) const {
    const std::int64_t end = kokkos::smaller(count, (part + 1) * kokkos_square_chunk);
    double sum = 0;
    for (std::int64_t index = part * kokkos_square_chunk; index < end; ++index) {
      sum += static_cast<double>(values[index]) * static_cast<double>(values[index]);
    }
    sums[part] = sum;
  }
};

struct AddKernel {
  const double* sums;
  std::int64_t count;
  double* total;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t /*index*/) const {
    double sum = 0;
    for (std::int64_t part = 0; part < count; ++part) {
      sum += sums[part];
    }
    *total = sum;
  }
};

class KokkosOptimizer final : public Optimizer {
  void run_adamw(const AdamWRange& range, const AdamWOptions& options) override {
    kokkos::for_each("ringworld::optimizer::adamw", std::ssize(range.parameter),
                     AdamWKernel{.parameter = range.parameter.data(),
                                 .gradient = range.gradient.data(),
                                 .first_moment = range.first_moment.data(),
                                 .second_moment = range.second_moment.data(),
                                 .copy = range.bfloat16_copy.data(),
                                 .by = factors_of(options)});
  }

  /// The chunks of all ranges lie in one row, which is added up and waited for once.
  [[nodiscard]] double run_sum_of_squares(std::span<const std::span<const float>> ranges) override {
    std::int64_t chunks = 0;
    for (const std::span<const float> values : ranges) {
      chunks += chunks_of(values);
    }
    const std::int64_t bytes = (chunks + 1) * static_cast<std::int64_t>(sizeof(double));
    if (sums_.bytes() < bytes) {
      sums_ = Buffer(bytes, DeviceKind::kokkos);
    }
    auto* total = sums_.as<double>();
    double* of_range = total + 1;
    for (const std::span<const float> values : ranges) {
      kokkos::for_each("ringworld::optimizer::square", chunks_of(values),
                       SquareKernel{.values = values.data(), .count = std::ssize(values), .sums = of_range});
      of_range += chunks_of(values);
    }
    kokkos::for_each("ringworld::optimizer::add", 1, AddKernel{.sums = total + 1, .count = chunks, .total = total});
    double result = 0;
    kokkos_device().copy(&result, total, sizeof(result), kokkos_device().compute_stream());
    return result;
  }

  static std::int64_t chunks_of(std::span<const float> values) {
    return (std::ssize(values) + kokkos_square_chunk - 1) / kokkos_square_chunk;
  }

  Buffer sums_;  // the total, then those of the chunks
};

}  // namespace

std::unique_ptr<Optimizer> make_kokkos_optimizer(const KernelOptions& /*options*/) {
  return std::make_unique<KokkosOptimizer>();
}

}  // namespace ringworld
