#include "kernels/elementwise/row_functions_impl.hpp"

namespace ringworld::row {

const RowFunctions& portable_row_functions() {
  static constexpr RowFunctions functions = make_row_functions<Simd<4>>();
  return functions;
}

}  // namespace ringworld::row
