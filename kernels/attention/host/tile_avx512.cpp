#include "kernels/attention/host/simd_avx512.hpp"
#include "kernels/attention/host/tile_table.hpp"

namespace ringworld::host_attention {

const TileKernels& avx512_tile_kernels() {
  static constexpr TileKernels kernels = make_tile_kernels<FloatWords<Avx512>, 24, 4>();
  return kernels;
}

}  // namespace ringworld::host_attention
