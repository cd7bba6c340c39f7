#include "kernels/attention/host/float_words.hpp"
#include "kernels/attention/host/tile_table.hpp"

namespace ringworld::host_attention {

const TileKernels& portable_tile_kernels() {
  // 16 registers are what every 64-bit CPU has.
  static constexpr TileKernels kernels = make_tile_kernels<FloatWords<row::Simd<4>>, 8, 2>();
  return kernels;
}

}  // namespace ringworld::host_attention
