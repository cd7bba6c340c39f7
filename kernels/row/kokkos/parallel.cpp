#include "kernels/row/parallel.hpp"

#include <Kokkos_Core.hpp>
#include <algorithm>

#include "kernels/row/kokkos/runtime.hpp"

namespace ringworld::row {

void for_each_range(const char* label, std::int64_t count, std::int64_t grain, const RangeBody& body) {
  kokkos::Runtime::ensure();
  using Space = Kokkos::DefaultHostExecutionSpace;
  Kokkos::parallel_for(label, Kokkos::RangePolicy<Space, Kokkos::IndexType<std::int64_t>>(0, range_count(count, grain)),
                       [=, &body](std::int64_t range) {
                         const std::int64_t begin = range * grain;
                         body(begin, std::min(begin + grain, count));
                       });
  Space().fence();
}

}  // namespace ringworld::row
