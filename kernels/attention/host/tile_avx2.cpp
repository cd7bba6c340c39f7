#include "kernels/attention/host/tile_kernels_impl.hpp"

namespace ringworld::host_attention {

const TileKernels& avx2_tile_kernels() {
  static constexpr TileKernels kernels = make_tile_kernels<8, 6, 2>();
  return kernels;
}

}  // namespace ringworld::host_attention
