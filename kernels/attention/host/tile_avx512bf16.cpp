#include "kernels/attention/host/bf16_words_avx512.hpp"
#include "kernels/attention/host/tile_table.hpp"

namespace ringworld::host_attention {

const TileKernels& avx512_bf16_tile_kernels() {
  static constexpr TileKernels kernels = make_tile_kernels<Bf16Words, 24, 4>();
  return kernels;
}

}  // namespace ringworld::host_attention
