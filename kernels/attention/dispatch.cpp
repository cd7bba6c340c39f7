#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/thread_team.hpp"
#include "kernels/attention/attention.hpp"

namespace ringworld {

std::unique_ptr<BlockAttention> make_block_attention(Backend backend, const BlockAttentionOptions& options) {
  require_input(std::ranges::find(supported_head_sizes, options.head_size) != supported_head_sizes.end(),
                fmt::format("head size {} has no instantiation; choose one of {}", options.head_size,
                            fmt::join(supported_head_sizes, ", ")));
  require_input(
      options.scale > 0.0F && std::isfinite(options.scale),
      fmt::format("attention scale {} is not a positive number; 1 / sqrt(head size) is usual", options.scale));
  require_team(options.threads, "threads");
  require_input(options.threads == 1 || backend == Backend::host,
                fmt::format("threads is {}, but backend {} runs on one thread; only host runs on more", options.threads,
                            name_of(backend)));
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
