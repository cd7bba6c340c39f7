#include "kernels/attention/cuda/hopper/forward.cuh"

#include "device/cuda/launch.cuh"
#include "kernels/attention/cuda/hopper/forward_kernel.cuh"

namespace ringworld::cuda::hopper {

namespace {

template <int head_size, bool has_documents>
auto kernel_of(bool overlaps) {
  return overlaps ? forward_kernel<head_size, has_documents, true> : forward_kernel<head_size, has_documents, false>;
}

}  // namespace

template <int head_size>
void launch_forward(const ForwardArguments& arguments, bool overlaps, cudaStream_t stream) {
  using Shape = ForwardShape<head_size>;
  const bool has_documents = arguments.mask.queries.data != nullptr;
  launch(has_documents ? kernel_of<head_size, true>(overlaps) : kernel_of<head_size, false>(overlaps),
         {.grid = static_cast<unsigned>(arguments.order.tiles * arguments.order.heads),
          .block = block_threads<Shape>,
          .shared_bytes = sizeof(ForwardShared<head_size>)},
         stream, arguments);
}

template void launch_forward<64>(const ForwardArguments&, bool, cudaStream_t);
template void launch_forward<128>(const ForwardArguments&, bool, cudaStream_t);

}  // namespace ringworld::cuda::hopper
