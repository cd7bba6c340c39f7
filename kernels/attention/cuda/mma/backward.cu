#include "kernels/attention/cuda/mma/backward.cuh"

#include "device/cuda/launch.cuh"
#include "kernels/attention/cuda/heads.hpp"
#include "kernels/attention/cuda/mma/launch.hpp"

namespace ringworld::cuda::mma {
namespace {

template <int head_size, bool is_large>
void launch_backward(const BackwardBlock& block, const BackwardArguments& arguments, cudaStream_t stream) {
  using Tiles = BackwardTiles<head_size, is_large>;
  const std::int64_t tiles = (block.k.tokens() + Tiles::keys - 1) / Tiles::keys;
  launch(backward_kernel<head_size, is_large>,
         {.grid = dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(block.k.heads()),
                       static_cast<unsigned>(block.k.batch())),
          .block = dim3(Tiles::threads),
          .shared_bytes = Tiles::shared_bytes},
         stream, arguments);
}

}  // namespace

void backward(const BackwardBlock& block, const BlockGradients& gradients, float scale, int shared_bytes,
              const Gate& gate, cudaStream_t stream) {
  const BackwardArguments arguments{.q = vectors_by_token(block.q.as<bf16>()),
                                    .k = vectors_by_token(block.k.as<bf16>()),
                                    .v = vectors_by_token(block.v.as<bf16>()),
                                    .dout = vectors_by_token(block.dout.as<bf16>()),
                                    .maximum = numbers_of(block.maximum),
                                    .sum = numbers_of(block.sum),
                                    .delta = numbers_of(block.delta),
                                    .dq = vectors_by_token(gradients.dq),
                                    .dk = vectors_by_token(gradients.dk),
                                    .dv = vectors_by_token(gradients.dv),
                                    .mask = tile_mask_of(block.mask, block.q.tokens(), block.k.tokens()),
                                    .gate = gate,
                                    .scale = scale,
                                    .heads_per_kv_head = static_cast<int>(block.q.heads() / block.k.heads()),
                                    .head_size = static_cast<int>(block.q.head_size())};
  with_head_size(block.q.head_size(), [&](auto head_size) {
    if constexpr (head_size == 128) {
      if (shared_bytes >= BackwardTiles<head_size, true>::shared_bytes) {
        launch_backward<head_size, true>(block, arguments, stream);
        return;
      }
    }
    launch_backward<head_size, false>(block, arguments, stream);
  });
}

}  // namespace ringworld::cuda::mma
