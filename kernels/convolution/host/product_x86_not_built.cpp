/// @file  Other processors have no x86 instruction sets: core/isa.hpp never selects these.

#include "core/error.hpp"
#include "kernels/convolution/host/product.hpp"
#include "kernels/convolution/host/tile_transforms.hpp"

namespace ringworld::host_convolution {

void multiply_avx2(const LineProduct& /*product*/) {
  throw Error(ErrorKind::internal, "AVX2 on a processor that is not x86");
}

void multiply_avx512(const LineProduct& /*product*/) {
  throw Error(ErrorKind::internal, "AVX-512 on a processor that is not x86");
}

TileTransforms tile_transforms_avx2() { throw Error(ErrorKind::internal, "AVX2 on a processor that is not x86"); }

TileTransforms tile_transforms_avx512() { throw Error(ErrorKind::internal, "AVX-512 on a processor that is not x86"); }

}  // namespace ringworld::host_convolution
