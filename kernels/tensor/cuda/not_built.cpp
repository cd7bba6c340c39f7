#include "kernels/row/backend_choice.hpp"
#include "kernels/tensor/tensor.hpp"

namespace ringworld {

std::unique_ptr<TensorOps> make_cuda_tensor_ops() { throw row::cuda_not_built(); }

}  // namespace ringworld
