#include "kernels/convolution/host/tile_transforms_impl.hpp"

namespace ringworld::host_convolution {

TileTransforms tile_transforms_portable() { return tile_transforms<row::Simd<4>>(); }

}  // namespace ringworld::host_convolution
