#include "kernels/convolution/host/tile_transforms_impl.hpp"

namespace ringworld::host_convolution {

TileTransforms tile_transforms_avx2() { return tile_transforms<row::Simd<8>>(); }

}  // namespace ringworld::host_convolution
