#include "core/error.hpp"
#include "kernels/attention/attention.hpp"

namespace ringworld {

std::unique_ptr<BlockAttention> make_kokkos_block_attention(const BlockAttentionOptions& /*options*/) {
  throw Error(ErrorKind::bad_input,
              "backend 'kokkos' is not in this build; configure with -DRINGWORLD_ENABLE_KOKKOS=ON, or choose "
              "reference or host");
}

}  // namespace ringworld
