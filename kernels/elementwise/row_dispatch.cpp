#include "core/error.hpp"
#include "kernels/elementwise/row_functions.hpp"

namespace ringworld::row {

const RowFunctions& row_functions(Isa isa) {
  switch (isa) {
    case Isa::portable:
      return portable_row_functions();
    case Isa::avx2:
      return avx2_row_functions();
    case Isa::avx512:
      return has_bf16_dot_product(isa) ? avx512bf16_row_functions() : avx512_row_functions();
  }
  throw Error(ErrorKind::internal, "instruction set outside its enumeration");
}

}  // namespace ringworld::row
