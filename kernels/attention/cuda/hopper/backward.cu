#include "kernels/attention/cuda/hopper/backward.cuh"

#include "device/cuda/launch.cuh"
#include "kernels/attention/cuda/hopper/backward_kernel.cuh"

namespace ringworld::cuda::hopper {

template <int head_size>
void launch_backward(const BackwardArguments& arguments, cudaStream_t stream) {
  using Shape = BackwardShape<head_size>;
  const bool has_documents = arguments.mask.queries.data != nullptr;
  launch(has_documents ? backward_kernel<head_size, true> : backward_kernel<head_size, false>,
         {.grid = static_cast<unsigned>(arguments.order.tiles * arguments.order.heads),
          .block = block_threads<Shape>,
          .shared_bytes = sizeof(BackwardShared<head_size>)},
         stream, arguments);
}

template void launch_backward<64>(const BackwardArguments&, cudaStream_t);
template void launch_backward<128>(const BackwardArguments&, cudaStream_t);

}  // namespace ringworld::cuda::hopper
