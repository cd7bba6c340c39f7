#include "core/error.hpp"
#include "kernels/attention/attention.hpp"

namespace ringworld {

std::unique_ptr<BlockAttention> make_cuda_block_attention(const BlockAttentionOptions& /*options*/) {
  throw Error(ErrorKind::bad_input, "backend 'cuda' is not in this build: configure with -DRINGWORLD_ENABLE_CUDA=ON");
}

}  // namespace ringworld
