#include "core/error.hpp"
#include "kernels/attention/host/tile_kernels.hpp"

namespace ringworld::host_attention {

const TileKernels& tile_kernels(Isa isa) {
  switch (isa) {
    case Isa::portable:
      return portable_tile_kernels();
    case Isa::avx2:
      return avx2_tile_kernels();
    case Isa::avx512:
      return avx512_tile_kernels();
  }
  throw Error(ErrorKind::internal, "instruction set outside its enumeration");
}

}  // namespace ringworld::host_attention
