#include "kernels/row/parallel.hpp"

#include <Kokkos_Core.hpp>

namespace ringworld::row {
namespace {

/// Starts Kokkos on first use, unless somebody has, and then ends it with the process: it can be started only once.
class Runtime {
 public:
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;
  static void ensure() { static const Runtime instance; }

 private:
  Runtime() : is_owner_(!Kokkos::is_initialized()) {
    if (is_owner_) {
      Kokkos::initialize();
    }
  }
  ~Runtime() {
    if (is_owner_ && Kokkos::is_initialized()) {
      Kokkos::finalize();
    }
  }

  bool is_owner_;
};

}  // namespace

void for_each_range(const char* label, std::int64_t count, std::int64_t grain, const RangeBody& body) {
  Runtime::ensure();
  using Space = Kokkos::DefaultHostExecutionSpace;
  Kokkos::parallel_for(label, Kokkos::RangePolicy<Space, Kokkos::IndexType<std::int64_t>>(0, range_count(count, grain)),
                       [=, &body](std::int64_t range) {
                         const std::int64_t begin = range * grain;
                         body(begin, std::min(begin + grain, count));
                       });
  Space().fence();
}

}  // namespace ringworld::row
