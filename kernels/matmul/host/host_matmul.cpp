#include "kernels/matmul/host/libraries.hpp"

namespace ringworld {

std::unique_ptr<Matmul> make_host_matmul(const MatmulOptions& options) { return make_onednn_matmul(options); }

}  // namespace ringworld
