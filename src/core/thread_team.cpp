#include "core/thread_team.hpp"

#include <fmt/format.h>

#include "core/error.hpp"

namespace ringworld {

void require_team(int threads, const char* key) {
  require_input(threads >= 1, fmt::format("{} is {}: at least one thread is needed", key, threads));
  require_input(threads <= largest_team(),
                fmt::format("{} is {}, but this build runs at most {} (configure with -DRINGWORLD_ENABLE_OPENMP=ON)",
                            key, threads, largest_team()));
}

}  // namespace ringworld
