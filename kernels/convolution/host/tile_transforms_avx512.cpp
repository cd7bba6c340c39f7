#include "kernels/convolution/host/tile_transforms_impl.hpp"

namespace ringworld::host_convolution {

TileTransforms tile_transforms_avx512() { return tile_transforms<row::Simd<16>>(); }

}  // namespace ringworld::host_convolution
