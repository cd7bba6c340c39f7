#include "kernels/attention/host/tile_kernels_impl.hpp"

namespace ringworld::host_attention {

const TileKernels& portable_tile_kernels() {
  static constexpr TileKernels kernels = make_tile_kernels<4, 4, 2>();
  return kernels;
}

}  // namespace ringworld::host_attention
