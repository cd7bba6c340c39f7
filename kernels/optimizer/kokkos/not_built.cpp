#include "kernels/optimizer/optimizer.hpp"
#include "kernels/row/backend_choice.hpp"

namespace ringworld {

std::unique_ptr<Optimizer> make_kokkos_optimizer() { throw row::kokkos_not_built(); }

}  // namespace ringworld
