#include "kernels/embedding/embedding.hpp"
#include "kernels/row/backend_choice.hpp"

namespace ringworld {

std::unique_ptr<Embedding> make_kokkos_embedding() { throw row::kokkos_not_built(); }

}  // namespace ringworld
