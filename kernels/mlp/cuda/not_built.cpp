#include "kernels/mlp/mlp.hpp"
#include "kernels/row/backend_choice.hpp"

namespace ringworld {

std::unique_ptr<SwiGlu> make_cuda_swiglu() { throw row::cuda_not_built(); }

}  // namespace ringworld
