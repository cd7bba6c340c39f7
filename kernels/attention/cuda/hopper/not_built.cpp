/// @file  Linked where no target architecture is sm_90a (RINGWORLD_CUDA_ARCHITECTURES): blocks go to the next path.
#include "kernels/attention/cuda/path.hpp"

namespace ringworld::cuda {

std::unique_ptr<AttentionPath> make_hopper_path(const BlockAttentionOptions& /*options*/) { return nullptr; }

}  // namespace ringworld::cuda
