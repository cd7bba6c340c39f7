#include "kernels/rope/rope.hpp"
#include "kernels/row/backend_choice.hpp"

namespace ringworld {

std::unique_ptr<Rope> make_kokkos_rope() { throw row::kokkos_not_built(); }

}  // namespace ringworld
