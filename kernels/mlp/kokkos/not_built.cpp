#include "kernels/mlp/mlp.hpp"
#include "kernels/row/backend_choice.hpp"

namespace ringworld {

std::unique_ptr<SwiGlu> make_kokkos_swiglu() { throw row::kokkos_not_built(); }

}  // namespace ringworld
