#include "core/error.hpp"
#include "kernels/matmul/matmul.hpp"

namespace ringworld {

std::unique_ptr<Matmul> make_cuda_matmul() {
  throw Error(
      ErrorKind::bad_input,
      "backend 'cuda' has no matrix product in this build; configure with -DRINGWORLD_ENABLE_CUDA=ON, or choose "
      "reference or host");
}

}  // namespace ringworld
