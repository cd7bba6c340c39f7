/// @file  Other processors have no x86 instruction sets: core/isa.hpp never selects these.

#include "core/error.hpp"
#include "kernels/attention/host/tile_kernels.hpp"

namespace ringworld::host_attention {

const TileKernels& avx2_tile_kernels() { throw Error(ErrorKind::internal, "AVX2 on a processor that is not x86"); }
const TileKernels& avx512_tile_kernels() { throw Error(ErrorKind::internal, "AVX-512 on a processor that is not x86"); }
const TileKernels& avx512_bf16_tile_kernels() {
  throw Error(ErrorKind::internal, "AVX-512 BF16 on a processor that is not x86");
}

}  // namespace ringworld::host_attention
