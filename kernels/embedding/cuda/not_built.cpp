#include "kernels/embedding/embedding.hpp"
#include "kernels/row/backend_choice.hpp"

namespace ringworld {

std::unique_ptr<Embedding> make_cuda_embedding() { throw row::cuda_not_built(); }

}  // namespace ringworld
