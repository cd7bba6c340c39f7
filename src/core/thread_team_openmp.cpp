#include <omp.h>

#include "core/thread_sanitizer.hpp"
#include "core/thread_team.hpp"

namespace ringworld {

void run_team(int threads, const std::function<void(TeamMember)>& body) {
  if (threads == 1) {
    body({.index = 0, .size = 1});
    return;
  }
  char team = 0;  // names the order that the start and the end of a parallel region make
  happens_before(&team);
#pragma omp parallel num_threads(threads) default(none) shared(body, team)
  {
    happens_after(&team);
    body({.index = omp_get_thread_num(), .size = omp_get_num_threads()});
    happens_before(&team);
  }
  happens_after(&team);
}

void team_barrier() {
  static char barrier = 0;
  happens_before(&barrier);
#pragma omp barrier
  happens_after(&barrier);
}

int largest_team() { return 1024; }

}  // namespace ringworld
