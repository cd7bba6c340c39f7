#include "kernels/convolution/host/product_impl.hpp"

namespace ringworld::host_convolution {

void multiply_portable(const LineProduct& product) { multiply<row::Simd<4>, 8, 2>(product); }

}  // namespace ringworld::host_convolution
