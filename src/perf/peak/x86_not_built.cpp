#include "core/error.hpp"
#include "perf/peak.hpp"

namespace ringworld {

FmaChain avx2_fma_chain() { throw Error(ErrorKind::internal, "AVX2 is not an instruction set of this architecture"); }
FmaChain avx512_fma_chain() {
  throw Error(ErrorKind::internal, "AVX-512 is not an instruction set of this architecture");
}
FmaChain avx512_bf16_dot_chain() {
  throw Error(ErrorKind::internal, "AVX512_BF16 is not an instruction set of this architecture");
}

}  // namespace ringworld
