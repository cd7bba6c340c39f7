#include "kernels/optimizer/optimizer.hpp"
#include "kernels/row/backend_choice.hpp"

namespace ringworld {

std::unique_ptr<Optimizer> make_cuda_optimizer() { throw row::cuda_not_built(); }

}  // namespace ringworld
