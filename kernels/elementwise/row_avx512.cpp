#include "kernels/elementwise/row_functions_impl.hpp"
#include "kernels/elementwise/simd_avx512.hpp"

namespace ringworld::row {

const RowFunctions& avx512_row_functions() {
  static constexpr RowFunctions functions = make_row_functions<Avx512>();
  return functions;
}

}  // namespace ringworld::row
