#include "kernels/attention/cuda/mma/forward.cuh"

#include "device/cuda/launch.cuh"
#include "kernels/attention/cuda/heads.hpp"
#include "kernels/attention/cuda/mma/launch.hpp"

namespace ringworld::cuda::mma {

void forward(const ForwardBlock& block, const AttentionState& state, const ActivationView& out, float scale,
             const Gate& gate, cudaStream_t stream) {
  const ForwardArguments arguments{.q = vectors_by_token(block.q.as<bf16>()),
                                   .k = vectors_by_token(block.k.as<bf16>()),
                                   .v = vectors_by_token(block.v.as<bf16>()),
                                   .state = rows_of(state),
                                   .out = results_of(out),
                                   .mask = tile_mask_of(block.mask, block.q.tokens(), block.k.tokens()),
                                   .gate = gate,
                                   .scale = scale,
                                   .heads_per_kv_head = static_cast<int>(block.q.heads() / block.k.heads()),
                                   .head_size = static_cast<int>(block.q.head_size())};
  with_head_size(block.q.head_size(), [&](auto head_size) {
    using Tiles = ForwardTiles<head_size>;
    const std::int64_t tiles = (block.q.tokens() + Tiles::queries - 1) / Tiles::queries;
    launch(forward_kernel<head_size>,
           {.grid = dim3(static_cast<unsigned>(tiles), static_cast<unsigned>(block.q.heads()),
                         static_cast<unsigned>(block.q.batch())),
            .block = dim3(Tiles::threads),
            .shared_bytes = Tiles::shared_bytes},
           stream, arguments);
  });
}

}  // namespace ringworld::cuda::mma
