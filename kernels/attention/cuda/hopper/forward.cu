#include "kernels/attention/cuda/hopper/forward.cuh"

#include <algorithm>

#include "device/cuda/launch.cuh"
#include "kernels/attention/cuda/hopper/forward_kernel.cuh"
#include "kernels/attention/cuda/hopper/persistent_forward_kernel.cuh"

namespace ringworld::cuda::hopper {

namespace {

template <int head_size, bool has_documents>
void launch_tiles(const ForwardArguments& arguments, const ForwardVariant& variant, cudaStream_t stream) {
  launch(variant.overlaps ? forward_kernel<head_size, has_documents, true>
                          : forward_kernel<head_size, has_documents, false>,
         {.grid = static_cast<unsigned>(arguments.order.tiles * arguments.order.heads),
          .block = block_threads<ForwardShape<head_size>>,
          .shared_bytes = sizeof(ForwardShared<head_size>)},
         stream, arguments);
}

template <int head_size, bool has_documents>
void launch_persistent(const ForwardArguments& arguments, const ForwardVariant& variant, cudaStream_t stream) {
  using Shared = PersistentForwardShared<head_size, has_documents>;
  static_assert(sizeof(Shared) <= most_shared_bytes && sizeof(StateBuffers<head_size>) % panel_alignment == 0);
  const int tiles = arguments.order.tiles * arguments.order.heads;
  launch(variant.overlaps ? persistent_forward_kernel<head_size, has_documents, true>
                          : persistent_forward_kernel<head_size, has_documents, false>,
         {.grid = static_cast<unsigned>(std::min(tiles, variant.most_blocks)),
          .block = block_threads<ForwardShape<head_size>>,
          .shared_bytes = sizeof(Shared)},
         stream, arguments);
}

}  // namespace

template <int head_size>
void launch_forward(const ForwardArguments& arguments, const ForwardVariant& variant, cudaStream_t stream) {
  const bool has_documents = arguments.mask.queries.data != nullptr;
  if (variant.is_persistent) {
    (has_documents ? launch_persistent<head_size, true> : launch_persistent<head_size, false>)(arguments, variant,
                                                                                               stream);
  } else {
    (has_documents ? launch_tiles<head_size, true> : launch_tiles<head_size, false>)(arguments, variant, stream);
  }
}

template void launch_forward<64>(const ForwardArguments&, const ForwardVariant&, cudaStream_t);
template void launch_forward<128>(const ForwardArguments&, const ForwardVariant&, cudaStream_t);

}  // namespace ringworld::cuda::hopper
