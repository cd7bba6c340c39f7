#include "core/error.hpp"
#include "kernels/elementwise/row_functions.hpp"

namespace ringworld::row {

const RowFunctions& avx2_row_functions() {
  throw Error(ErrorKind::internal, "AVX2 is not an instruction set of this architecture");
}

const RowFunctions& avx512_row_functions() {
  throw Error(ErrorKind::internal, "AVX-512 is not an instruction set of this architecture");
}

const RowFunctions& avx512bf16_row_functions() {
  throw Error(ErrorKind::internal, "AVX-512 is not an instruction set of this architecture");
}

}  // namespace ringworld::row
