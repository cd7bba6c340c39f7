#include "kernels/elementwise/row_functions_impl.hpp"

namespace ringworld::row {

const RowFunctions& avx2_row_functions() {
  static constexpr RowFunctions functions = make_row_functions<Simd<8>>();
  return functions;
}

}  // namespace ringworld::row
