#include "kernels/attention/host/float_words.hpp"
#include "kernels/attention/host/tile_table.hpp"

namespace ringworld::host_attention {

const TileKernels& avx2_tile_kernels() {
  static constexpr TileKernels kernels = make_tile_kernels<FloatWords<row::Simd<8>>, 12, 2>();
  return kernels;
}

}  // namespace ringworld::host_attention
