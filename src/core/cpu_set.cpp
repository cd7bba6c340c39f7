#include "core/cpu_set.hpp"

#include <sched.h>

#include <cerrno>
#include <cstddef>

namespace ringworld {

std::vector<int> allowed_cpus() {
  // The kernel refuses a set smaller than its own; machines with more than 1024 logical CPUs exist.
  for (std::size_t sets = 1; sets <= 64; sets *= 2) {
    std::vector<cpu_set_t> mask(sets);
    const std::size_t bytes = sets * sizeof(cpu_set_t);
    if (::sched_getaffinity(0, bytes, mask.data()) != 0) {
      if (errno == EINVAL) {
        continue;
      }
      return {};
    }
    std::vector<int> cpus;
    for (std::size_t set = 0; set < sets; ++set) {
      for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &mask[set])) {
          cpus.push_back(static_cast<int>(set) * CPU_SETSIZE + cpu);
        }
      }
    }
    return cpus;
  }
  return {};
}

}  // namespace ringworld
