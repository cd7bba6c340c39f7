#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.hpp"
#include "kernels/attention/attention.hpp"

namespace ringworld {

std::unique_ptr<BlockAttention> make_block_attention(Backend backend, const BlockAttentionOptions& options) {
  require_input(std::ranges::find(supported_head_sizes, options.head_size) != supported_head_sizes.end(),
                fmt::format("head size {} has no instantiation; choose one of {}", options.head_size,
                            fmt::join(supported_head_sizes, ", ")));
  switch (backend) {
    case Backend::reference:
      return make_reference_block_attention(options);
    case Backend::kokkos:
      return make_kokkos_block_attention(options);
    case Backend::host:
      return make_host_block_attention(options);
    case Backend::cuda:
      return make_cuda_block_attention(options);
  }
  throw Error(ErrorKind::internal, "backend outside its enumeration");
}

}  // namespace ringworld
