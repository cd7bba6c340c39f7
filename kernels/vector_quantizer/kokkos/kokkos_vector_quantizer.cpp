#include <limits>

#include "kernels/elementwise/kokkos/launch.hpp"
#include "kernels/vector_quantizer/vector_quantizer.hpp"

namespace ringworld {
namespace {

KOKKOS_INLINE_FUNCTION double squared_distance(const float* z, const float* e, std::int64_t size) {
  double sum = 0;
  for (std::int64_t d = 0; d < size; ++d) {
    const double difference = static_cast<double>(z[d]) - static_cast<double>(e[d]);
    sum += difference * difference;
  }
  return sum;
}

/// A vector is one work item, which tries the codes in their order: so the first one of equals wins.
struct NearestKernel {
  const float* z;
  const float* codebook;
  std::int64_t count;
  std::int64_t size;
  std::int32_t* codes;
  float* squared_error;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t vector) const {
    const float* from = z + vector * size;
    constexpr double infinity = std::numeric_limits<double>::infinity();
    std::int64_t nearest = 0;
    double smallest = infinity;
    for (std::int64_t k = 0; k < count; ++k) {
      const double distance = squared_distance(from, codebook + k * size, size);
      if (distance < smallest) {
        smallest = distance;
        nearest = k;
      }
    }
    codes[vector] = static_cast<std::int32_t>(nearest);
    if (squared_error != nullptr) {
      squared_error[vector] = static_cast<float>(squared_distance(from, codebook + nearest * size, size));
    }
  }
};

struct LookUpKernel {
  const std::int32_t* codes;
  const float* codebook;
  std::int64_t size;
  float* quantized;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t vector, std::int64_t column) const {
    quantized[vector * size + column] = codebook[codes[vector] * size + column];
  }
};

/// One column over the vectors in order, so that the sums do not depend on the number of threads.
struct BackwardKernel {
  const std::int32_t* codes;
  const float* z;
  const float* codebook;
  const float* dquantized;
  float codebook_scale;
  float commitment_scale;
  float* dz;
  float* dcodebook;
  std::int64_t vectors;
  std::int64_t size;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t column) const {
    for (std::int64_t vector = 0; vector < vectors; ++vector) {
      const std::int64_t at = vector * size + column;
      const std::int64_t code = codes[vector] * size + column;
      const float difference = z[at] - codebook[code];
      dz[at] = dquantized[at] + commitment_scale * difference;
      dcodebook[code] -= codebook_scale * difference;
    }
  }
};

class KokkosVectorQuantizer final : public VectorQuantizer {
  void run_nearest(const NearestCode& search) override {
    kokkos::for_each("ringworld::vector_quantizer::nearest", search.z.shape[0],
                     NearestKernel{.z = search.z.data,
                                   .codebook = search.codebook.data,
                                   .count = search.codebook.shape[0],
                                   .size = search.codebook.shape[1],
                                   .codes = search.codes,
                                   .squared_error = search.squared_error});
  }

  void run_look_up(const CodeLookUp& look_up) override {
    const auto [vectors, size] = look_up.quantized.shape;
    kokkos::for_each_element("ringworld::vector_quantizer::look_up", vectors, size,
                             LookUpKernel{.codes = look_up.codes,
                                          .codebook = look_up.codebook.data,
                                          .size = size,
                                          .quantized = look_up.quantized.data});
  }

  void run_backward(const QuantizerBackward& pass) override {
    const auto [vectors, size] = pass.z.shape;
    kokkos::for_each("ringworld::vector_quantizer::backward", size,
                     BackwardKernel{.codes = pass.codes,
                                    .z = pass.z.data,
                                    .codebook = pass.codebook.data,
                                    .dquantized = pass.dquantized.data,
                                    .codebook_scale = pass.codebook_scale,
                                    .commitment_scale = pass.commitment_scale,
                                    .dz = pass.dz.data,
                                    .dcodebook = pass.dcodebook.data,
                                    .vectors = vectors,
                                    .size = size});
  }
};

}  // namespace

std::unique_ptr<VectorQuantizer> make_kokkos_vector_quantizer(const KernelOptions& /*options*/) {
  return std::make_unique<KokkosVectorQuantizer>();
}

}  // namespace ringworld
