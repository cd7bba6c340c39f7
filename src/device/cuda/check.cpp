#include "device/cuda/check.hpp"

#include <fmt/format.h>

#include "core/error.hpp"

namespace ringworld {

void check_cuda(cudaError_t code, std::source_location where) {
  if (code != cudaSuccess) {
    throw Error(ErrorKind::internal, fmt::format("CUDA: {} ({})", cudaGetErrorString(code), cudaGetErrorName(code)),
                where);
  }
}

}  // namespace ringworld
