#include "perf/peak.hpp"
#include "perf/peak/fma_chain.hpp"

namespace ringworld {

FmaChain portable_fma_chain() { return run_fma_chain<4, 8>; }

}  // namespace ringworld
