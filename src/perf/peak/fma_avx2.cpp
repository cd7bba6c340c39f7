#include "perf/peak.hpp"
#include "perf/peak/fma_chain.hpp"

namespace ringworld {

FmaChain avx2_fma_chain() { return run_fma_chain<8, 12>; }

}  // namespace ringworld
