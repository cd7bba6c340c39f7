#include "kernels/row/backend_choice.hpp"
#include "kernels/row/parallel.hpp"

namespace ringworld::row {

void for_each_range(const char* /*label*/, std::int64_t /*count*/, std::int64_t /*grain*/, const RangeBody& /*body*/) {
  throw kokkos_not_built();
}

}  // namespace ringworld::row
