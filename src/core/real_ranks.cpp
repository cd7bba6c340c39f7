/// @file  Ranks are processes, and time is the machine's.

#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "core/clock.hpp"
#include "core/simulated_ranks.hpp"

namespace ringworld {
namespace {

/// A sleep that is much shorter is longer than asked for.
constexpr double shortest_slice = 1e-4;  // s
constexpr int most_slices = 500;

}  // namespace

double now_seconds() { return wall_seconds(); }

bool pass_time(double seconds, const std::function<bool()>& meanwhile) {
  // Each slice ends at a moment counted from the begin: sleeps that took too long do not add up.
  const auto begin = std::chrono::steady_clock::now();
  const int slices = meanwhile ? std::clamp(static_cast<int>(seconds / shortest_slice), 1, most_slices) : 1;
  for (int slice = 1; slice <= slices; ++slice) {
    std::this_thread::sleep_until(begin + std::chrono::duration<double>(seconds * slice / slices));
    if (meanwhile && !meanwhile()) {
      return false;
    }
  }
  return true;
}

bool are_ranks_simulated() noexcept { return false; }

std::size_t simulated_rank() noexcept { return 0; }

const SimulatedPlatform& simulated_platform() {
  static const SimulatedPlatform none;
  return none;
}

SimulatedRoute simulated_route(int /*rank_in_job*/) { return {}; }

void* take_phantom_memory(std::int64_t bytes) {
  // Pages come with the first message that is received into them.
  void* const data = mmap(nullptr, static_cast<std::size_t>(bytes), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return data == MAP_FAILED ? nullptr : data;
}

void give_phantom_memory_back(void* data, std::int64_t bytes) noexcept {
  munmap(data, static_cast<std::size_t>(bytes));
}

}  // namespace ringworld
