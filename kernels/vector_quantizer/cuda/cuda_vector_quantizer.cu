#include <cfloat>
#include <cmath>
#include <initializer_list>

#include "device/cuda/launch.cuh"
#include "device/cuda/native_stream.hpp"
#include "device/device.hpp"
#include "kernels/elementwise/cuda/aligned.hpp"
#include "kernels/elementwise/cuda/launch_shape.hpp"
#include "kernels/elementwise/cuda/map_rows.cuh"
#include "kernels/elementwise/cuda/pack.cuh"
#include "kernels/vector_quantizer/vector_quantizer.hpp"

/// @file  Vector quantisation on NVIDIA GPUs.
///
/// The search: a block takes 32 vectors and all codes, a tile of 32 at a time; a lane is a vector, a warp has four
/// codes of each tile. Distances are sums of squared differences in fp32, which are right to (D + 4) roundings; a code
/// that comes so close to the best one so far that rounding could decide is measured again in double.
///
///   codes    tile 0                tile 1            ...
///            |warp 0|warp 1|...|   |warp 0|warp 1|...     each lane keeps its vector's nearest of the warp's codes

namespace ringworld {
namespace {

constexpr int vectors_of_block = 32;
constexpr int warps = 8;
constexpr int codes_of_warp = 4;
constexpr int tile_codes = warps * codes_of_warp;
constexpr int tile_columns = 32;

struct SearchOperands {
  const float* z = nullptr;
  const float* codebook = nullptr;
  std::int64_t vectors = 0;
  std::int64_t count = 0;  // of codes
  std::int64_t size = 0;
  std::int32_t* codes = nullptr;
  float* squared_error = nullptr;  // null: not wanted
};

__device__ __forceinline__ double squared_distance(const float* z, const float* e, std::int64_t size) {
  double sum = 0;
  for (std::int64_t d = 0; d < size; ++d) {
    const double difference = static_cast<double>(z[d]) - static_cast<double>(e[d]);
    sum += difference * difference;
  }
  return sum;
}

/// Columns [begin, begin + tile_columns) of 32 rows, turned over; zeros outside of the matrix.
__device__ __forceinline__ void load_tile(const float* matrix, std::int64_t first_row, std::int64_t rows,
                                          std::int64_t begin, std::int64_t size,
                                          float (&tile)[tile_columns][tile_codes + 1]) {
  const int lane = static_cast<int>(threadIdx.x);
  for (int r = static_cast<int>(threadIdx.y); r < tile_codes; r += warps) {
    const bool is_inside = first_row + r < rows && begin + lane < size;
    tile[lane][r] = is_inside ? matrix[(first_row + r) * size + begin + lane] : 0.0F;
  }
}

__global__ void __launch_bounds__(vectors_of_block* warps) nearest_kernel(SearchOperands operands) {
  static_assert(vectors_of_block == tile_codes && tile_columns == 32, "one loader for both tiles");
  __shared__ float of_vectors[tile_columns][tile_codes + 1];
  __shared__ float of_codes[tile_columns][tile_codes + 1];
  __shared__ double found_distance[warps][vectors_of_block];
  __shared__ std::int32_t found_code[warps][vectors_of_block];
  const std::int64_t first_vector = static_cast<std::int64_t>(blockIdx.x) * vectors_of_block;
  const int lane = static_cast<int>(threadIdx.x);
  const int warp = static_cast<int>(threadIdx.y);
  const bool has_vector = first_vector + lane < operands.vectors;
  const float* z = operands.z + (has_vector ? first_vector + lane : 0) * operands.size;
  // Twice what two distances can be wrong by, as a factor.
  const float margin = 1.0F + static_cast<float>(operands.size + 4) * 0x1p-22F;
  float limit = INFINITY;
  double smallest = INFINITY;
  std::int64_t nearest = 0;
  for (std::int64_t tile = 0; tile < operands.count; tile += tile_codes) {
    float distance[codes_of_warp] = {};
    for (std::int64_t begin = 0; begin < operands.size; begin += tile_columns) {
      __syncthreads();
      load_tile(operands.z, first_vector, operands.vectors, begin, operands.size, of_vectors);
      load_tile(operands.codebook, tile, operands.count, begin, operands.size, of_codes);
      __syncthreads();
#pragma unroll 8
      for (int d = 0; d < tile_columns; ++d) {
        const float element = of_vectors[d][lane];
#pragma unroll
        for (int i = 0; i < codes_of_warp; ++i) {
          const float difference = element - of_codes[d][warp * codes_of_warp + i];
          distance[i] += difference * difference;
        }
      }
    }
#pragma unroll
    for (int i = 0; i < codes_of_warp; ++i) {
      const std::int64_t code = tile + warp * codes_of_warp + i;
      // Also what is not a number: the exact distance decides.
      if (code < operands.count && has_vector && !(distance[i] > limit)) {
        const double exact = squared_distance(z, operands.codebook + code * operands.size, operands.size);
        if (exact < smallest) {
          smallest = exact;
          nearest = code;
        }
        limit = fminf(limit, distance[i] * margin + FLT_MIN);
      }
    }
  }
  found_distance[warp][lane] = smallest;
  found_code[warp][lane] = static_cast<std::int32_t>(nearest);
  __syncthreads();
  if (warp == 0 && has_vector) {
    std::int32_t code = found_code[0][lane];
    for (int other = 1; other < warps; ++other) {
      const double exact = found_distance[other][lane];
      if (exact < smallest || (exact == smallest && exact < INFINITY && found_code[other][lane] < code)) {
        smallest = exact;
        code = found_code[other][lane];
      }
    }
    operands.codes[first_vector + lane] = code;
    if (operands.squared_error != nullptr) {
      operands.squared_error[first_vector + lane] =
          static_cast<float>(squared_distance(z, operands.codebook + code * operands.size, operands.size));
    }
  }
}

struct LookUp {
  static constexpr int width = 4;
  static constexpr int unroll = 2;
  const std::int32_t* codes = nullptr;
  const float* codebook = nullptr;
  float* quantized = nullptr;
  std::int64_t size = 0;

  template <int Width>
  __device__ __forceinline__ row::Pack<float, Width> load(std::int64_t vector, std::int64_t column) const {
    return row::load<Width>(codebook + codes[vector] * size + column);
  }
  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t vector, std::int64_t column,
                                         const row::Pack<float, Width>& pack) const {
    row::store<Width>(quantized + vector * size + column, pack);
  }
};

/// dz = dquantized + commitment_scale (z - e).
struct VectorGradient {
  static constexpr int width = 4;
  static constexpr int unroll = 1;
  const std::int32_t* codes = nullptr;
  const float* z = nullptr;
  const float* codebook = nullptr;
  const float* dquantized = nullptr;
  float commitment_scale = 0;
  float* dz = nullptr;
  std::int64_t size = 0;

  template <int Width>
  struct Operands {
    row::Pack<float, Width> z;
    row::Pack<float, Width> e;
    row::Pack<float, Width> dquantized;
  };

  template <int Width>
  __device__ __forceinline__ Operands<Width> load(std::int64_t vector, std::int64_t column) const {
    const std::int64_t at = vector * size + column;
    return {row::load<Width>(z + at), row::load<Width>(codebook + codes[vector] * size + column),
            row::load<Width>(dquantized + at)};
  }
  template <int Width>
  __device__ __forceinline__ void finish(std::int64_t vector, std::int64_t column,
                                         const Operands<Width>& operands) const {
    const auto from = row::widened(operands.z);
    const auto e = row::widened(operands.e);
    auto result = row::widened(operands.dquantized);
#pragma unroll
    for (int i = 0; i < Width; ++i) {
      result[i] += commitment_scale * (from[i] - e[i]);
    }
    row::store_floats(dz + vector * size + column, result);
  }
};

constexpr int columns_of_lane = 4;
constexpr int columns_of_warp = 32 * columns_of_lane;

/// dcodebook[code] += codebook_scale (e - z). A warp owns a code and 128 columns: it looks through all codes, 32 at a
/// time, and adds its vectors in their order, so the sums are those of a plain loop.
__global__ void __launch_bounds__(32 * warps)
    codebook_gradient_kernel(const std::int32_t* codes, const float* z, const float* codebook, std::int64_t vectors,
                             std::int64_t count, std::int64_t size, float codebook_scale, float* dcodebook) {
  const int lane = static_cast<int>(threadIdx.x);
  const std::int64_t own = static_cast<std::int64_t>(blockIdx.x) * warps + threadIdx.y;
  if (own >= count) {
    return;  // a whole warp
  }
  const std::int64_t first_column = static_cast<std::int64_t>(blockIdx.y) * columns_of_warp + lane;
  float e[columns_of_lane] = {};
  float sum[columns_of_lane] = {};
#pragma unroll
  for (int i = 0; i < columns_of_lane; ++i) {
    if (first_column + 32 * i < size) {
      e[i] = codebook[own * size + first_column + 32 * i];
      sum[i] = dcodebook[own * size + first_column + 32 * i];
    }
  }
  bool has_any = false;
  for (std::int64_t begin = 0; begin < vectors; begin += 32) {
    const bool is_own = begin + lane < vectors && codes[begin + lane] == own;
    unsigned found = __ballot_sync(0xffffffffU, is_own);
    has_any = has_any || found != 0;
    while (found != 0) {
      const std::int64_t vector = begin + __ffs(static_cast<int>(found)) - 1;
      found &= found - 1;
#pragma unroll
      for (int i = 0; i < columns_of_lane; ++i) {
        if (first_column + 32 * i < size) {
          sum[i] -= codebook_scale * (z[vector * size + first_column + 32 * i] - e[i]);
        }
      }
    }
  }
  if (has_any) {
#pragma unroll
    for (int i = 0; i < columns_of_lane; ++i) {
      if (first_column + 32 * i < size) {
        dcodebook[own * size + first_column + 32 * i] = sum[i];
      }
    }
  }
}

class CudaVectorQuantizer final : public VectorQuantizer {
  void run_nearest(const NearestCode& search) override {
    const auto [vectors, size] = search.z.shape;
    launch(nearest_kernel,
           {.grid = dim3(static_cast<unsigned>(row::divided_up(vectors, vectors_of_block))),
            .block = dim3(vectors_of_block, warps)},
           native_compute_stream(),
           SearchOperands{.z = search.z.data,
                          .codebook = search.codebook.data,
                          .vectors = vectors,
                          .count = search.codebook.shape[0],
                          .size = size,
                          .codes = search.codes,
                          .squared_error = search.squared_error});
  }

  void run_look_up(const CodeLookUp& look_up) override {
    const auto [vectors, size] = look_up.quantized.shape;
    if (vectors > 0) {
      row::map_rows(LookUp{.codes = look_up.codes,
                           .codebook = look_up.codebook.data,
                           .quantized = look_up.quantized.data,
                           .size = size},
                    vectors, size, are_aligned(size, {look_up.codebook.data, look_up.quantized.data}));
    }
  }

  void run_backward(const QuantizerBackward& pass) override {
    const auto [vectors, size] = pass.z.shape;
    if (vectors == 0) {
      return;
    }
    row::map_rows(VectorGradient{.codes = pass.codes,
                                 .z = pass.z.data,
                                 .codebook = pass.codebook.data,
                                 .dquantized = pass.dquantized.data,
                                 .commitment_scale = pass.commitment_scale,
                                 .dz = pass.dz.data,
                                 .size = size},
                  vectors, size,
                  are_aligned(size, {pass.z.data, pass.codebook.data, pass.dquantized.data, pass.dz.data}));
    const std::int64_t codes = pass.codebook.shape[0];
    launch(codebook_gradient_kernel,
           {.grid = dim3(static_cast<unsigned>(row::divided_up(codes, warps)),
                         static_cast<unsigned>(row::divided_up(size, columns_of_warp))),
            .block = dim3(32, warps)},
           native_compute_stream(), pass.codes, pass.z.data, pass.codebook.data, vectors, codes, size,
           pass.codebook_scale, pass.dcodebook.data);
  }

  /// Whether every row of these matrices can be moved 16 bytes at a time.
  static bool are_aligned(std::int64_t size, std::initializer_list<const float*> matrices) {
    bool result = size % 4 == 0;
    for (const float* matrix : matrices) {
      result = result && row::is_aligned(matrix);
    }
    return result;
  }
};

}  // namespace

std::unique_ptr<VectorQuantizer> make_cuda_vector_quantizer(const KernelOptions& /*options*/) {
  static_cast<void>(cuda_device());  // says what is missing where there is no GPU
  return std::make_unique<CudaVectorQuantizer>();
}

}  // namespace ringworld
