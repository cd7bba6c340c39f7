#include "perf/peak.hpp"
#include "perf/peak/fma_chain.hpp"

namespace ringworld {

FmaChain avx512_fma_chain() { return run_fma_chain<16, 16>; }

}  // namespace ringworld
