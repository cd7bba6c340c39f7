#include "kernels/rope/rope.hpp"
#include "kernels/row/backend_choice.hpp"

namespace ringworld {

std::unique_ptr<Rope> make_cuda_rope() { throw row::cuda_not_built(); }

}  // namespace ringworld
