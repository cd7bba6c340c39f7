#include "core/error.hpp"
#include "kernels/attention/host/tile_kernels.hpp"

namespace ringworld::host_attention {

const TileKernels& tile_kernels(Isa isa, DType dtype) {
  if (dtype == DType::bfloat16 && has_bf16_dot_product(isa)) {
    return avx512_bf16_tile_kernels();
  }
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
