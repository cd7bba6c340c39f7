#include "core/error.hpp"
#include "kernels/attention/host/tile_kernels.hpp"

namespace ringworld::host_attention {

const TileKernels& avx2_tile_kernels() {
  throw Error(ErrorKind::internal, "AVX2 is not an instruction set of this architecture");
}

const TileKernels& avx512_tile_kernels() {
  throw Error(ErrorKind::internal, "AVX-512 is not an instruction set of this architecture");
}

}  // namespace ringworld::host_attention
