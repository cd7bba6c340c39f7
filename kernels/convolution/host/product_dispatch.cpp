#include "core/error.hpp"
#include "kernels/convolution/host/product.hpp"
#include "kernels/convolution/host/tile_transforms.hpp"

namespace ringworld::host_convolution {

Multiply multiply_of(Isa isa) {
  switch (isa) {
    case Isa::portable:
      return multiply_portable;
    case Isa::avx2:
      return multiply_avx2;
    case Isa::avx512:
      return multiply_avx512;
  }
  throw Error(ErrorKind::internal, "instruction set outside its enumeration");
}

TileTransforms tile_transforms_of(Isa isa) {
  switch (isa) {
    case Isa::portable:
      return tile_transforms_portable();
    case Isa::avx2:
      return tile_transforms_avx2();
    case Isa::avx512:
      return tile_transforms_avx512();
  }
  throw Error(ErrorKind::internal, "instruction set outside its enumeration");
}

}  // namespace ringworld::host_convolution
