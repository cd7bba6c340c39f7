#include <omp.h>

#include "core/thread_team.hpp"

namespace ringworld {

void run_team(int threads, const std::function<void(TeamMember)>& body) {
  if (threads == 1) {
    body({.index = 0, .size = 1});
    return;
  }
#pragma omp parallel num_threads(threads) default(none) shared(body)
  body({.index = omp_get_thread_num(), .size = omp_get_num_threads()});
}

void team_barrier() {
#pragma omp barrier
}

int largest_team() { return 1024; }

}  // namespace ringworld
