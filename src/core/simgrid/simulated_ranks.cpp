/// @file  Ranks are actors of SimGrid, and time is that of its simulation.

#include "core/simulated_ranks.hpp"

#include <simgrid/s4u/Actor.hpp>
#include <simgrid/s4u/Engine.hpp>
#include <simgrid/s4u/Host.hpp>
#include <simgrid/s4u/Link.hpp>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "core/clock.hpp"

// From smpi/smpi.h, which would bring all of its MPI.
extern "C" void* smpi_shared_malloc(size_t size, const char* file, int line);

namespace ringworld {
namespace {

/// More than one message of any rank. SMPI maps it to one small block, and copies no message that lies in it.
constexpr std::int64_t phantom_bytes = std::int64_t{16} << 30;

}  // namespace

double now_seconds() { return simgrid::s4u::Engine::get_clock(); }

bool pass_time(double seconds, const std::function<bool()>& meanwhile) {
  // Messages go on by themselves while an actor sleeps, so one call of `meanwhile` is enough.
  if (seconds > 0) {
    simgrid::s4u::this_actor::sleep_for(seconds);
  }
  return !meanwhile || meanwhile();
}

bool are_ranks_simulated() noexcept { return true; }

std::size_t simulated_rank() noexcept { return static_cast<std::size_t>(simgrid::s4u::this_actor::get_pid()); }

const SimulatedPlatform& simulated_platform() {
  static const SimulatedPlatform platform = [] {
    const auto text_of = [](const char* name) {
      const char* const text = std::getenv(name);
      return std::string(text == nullptr ? "" : text);
    };
    SimulatedPlatform read{.name = text_of("RINGWORLD_PLATFORM"), .digest = text_of("RINGWORLD_PLATFORM_DIGEST")};
    read.devices_per_node = std::max(1, std::atoi(text_of("RINGWORLD_DEVICES_PER_NODE").c_str()));
    read.ring_devices = std::max(1, std::atoi(text_of("RINGWORLD_RING_DEVICES").c_str()));
    read.peak_flops_per_second = std::atof(text_of("RINGWORLD_PLATFORM_PEAK").c_str());
    return read;
  }();
  return platform;
}

SimulatedRoute simulated_route(int rank_in_job) {
  // scripts/simulate.sh puts rank n on host hn.
  const simgrid::s4u::Host* const there = simgrid::s4u::Host::by_name("h" + std::to_string(rank_in_job));
  std::vector<simgrid::s4u::Link*> links;
  SimulatedRoute route{.latency = 0, .bytes_per_second = std::numeric_limits<double>::infinity()};
  simgrid::s4u::this_actor::get_host()->route_to(there, links, &route.latency);
  for (const simgrid::s4u::Link* const link : links) {
    route.bytes_per_second = std::min(route.bytes_per_second, link->get_bandwidth());
  }
  return route;
}

void* take_phantom_memory(std::int64_t bytes) {
  static void* const region = smpi_shared_malloc(phantom_bytes, __FILE__, __LINE__);
  return bytes <= phantom_bytes ? region : nullptr;
}

void give_phantom_memory_back(void* /*data*/, std::int64_t /*bytes*/) noexcept {}

}  // namespace ringworld
