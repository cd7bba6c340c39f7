#include "sequence/cuda/word_kernels.hpp"

#include "device/cuda/launch.cuh"
#include "device/cuda/native_stream.hpp"

namespace ringworld::test {
namespace {

constexpr unsigned block_threads = 32;

__global__ void count_up_kernel(std::int64_t first, std::int64_t* words, std::int64_t count) {
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index < count) {
    words[index] = first + index;
  }
}

__global__ void add_kernel(const std::int64_t* from, std::int64_t* to, std::int64_t count) {
  const std::int64_t index = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (index < count) {
    to[index] += from[index];
  }
}

LaunchShape shape_of(std::size_t count) {
  return {.grid = static_cast<unsigned>((count + block_threads - 1) / block_threads), .block = block_threads};
}

}  // namespace

void count_up(std::int64_t first, std::span<std::int64_t> words) {
  launch(count_up_kernel, shape_of(words.size()), native_compute_stream(), first, words.data(),
         static_cast<std::int64_t>(words.size()));
}

void add_words(std::span<const std::int64_t> from, std::span<std::int64_t> to) {
  launch(add_kernel, shape_of(to.size()), native_compute_stream(), from.data(), to.data(),
         static_cast<std::int64_t>(to.size()));
}

}  // namespace ringworld::test
