#include "kernels/convolution/host/product_impl.hpp"

namespace ringworld::host_convolution {

void multiply_avx512(const LineProduct& product) { multiply<row::Simd<16>, 24, 4>(product); }

}  // namespace ringworld::host_convolution
