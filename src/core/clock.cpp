#include "core/clock.hpp"

#include <chrono>

namespace ringworld {

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace ringworld
