#include "kernels/convolution/host/product_impl.hpp"

namespace ringworld::host_convolution {

void multiply_avx2(const LineProduct& product) { multiply<row::Simd<8>, 12, 2>(product); }

}  // namespace ringworld::host_convolution
