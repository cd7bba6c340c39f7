#include "kernels/attention/host/float_words.hpp"
#include "kernels/attention/host/tile_table.hpp"
#include "kernels/elementwise/simd_avx512.hpp"

namespace ringworld::host_attention {

const TileKernels& avx512_tile_kernels() {
  static constexpr TileKernels kernels = make_tile_kernels<FloatWords<row::Avx512>, 24, 4>();
  return kernels;
}

}  // namespace ringworld::host_attention
