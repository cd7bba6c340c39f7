#include "experiments/common/busy_node.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "core/log.hpp"
#include "core/simulated_ranks.hpp"

namespace ringworld {
namespace {

/// Of a node, as it travels between ranks.
struct NodeLoad {
  std::int64_t others = 0;  ///< threads of other work that want to run
  std::int64_t threads = 0;
  std::int64_t cpus = 0;
  std::array<char, 64> host{};
};

/// Empty where there is no such file.
std::string kernel_statistics() {
  std::ifstream file("/proc/stat");
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The fewest of several looks, for what runs a moment only disturbs nothing. The caller runs, too, and is none of them.
std::int64_t other_running_threads() {
  constexpr int looks = 5;
  std::int64_t fewest = 0;
  for (int look = 0; look < looks; ++look) {
    const std::int64_t running = running_threads(kernel_statistics()).value_or(1) - 1;
    fewest = look == 0 ? running : std::min(fewest, running);
    if (fewest <= 0) {
      return 0;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return fewest;
}

}  // namespace

std::optional<std::int64_t> running_threads(std::string_view stat) {
  constexpr std::string_view key = "procs_running ";
  const std::size_t place = stat.find(key);
  if (place == std::string_view::npos) {
    return std::nullopt;
  }
  std::int64_t count = 0;
  const char* const begin = stat.data() + place + key.size();
  const auto [end, failed] = std::from_chars(begin, stat.data() + stat.size(), count);
  return failed == std::errc() ? std::optional(count) : std::nullopt;
}

bool warn_of_busy_nodes(const Communicator& communicator, std::int64_t threads) {
  if (are_ranks_simulated()) {
    return false;
  }
  const Communicator node = communicator.split_by_node();
  NodeLoad load{.others = 0, .threads = node.all_reduce(threads, Reduction::sum), .cpus = 0, .host = {}};
  node.barrier_asleep();
  if (node.is_root()) {
    load.others = other_running_threads();
    load.cpus = ::sysconf(_SC_NPROCESSORS_ONLN);
    ::gethostname(load.host.data(), load.host.size() - 1);
  }
  node.barrier_asleep();
  const std::vector<NodeLoad> nodes = communicator.all_gather(load);
  const auto busiest = std::ranges::max_element(nodes, {}, [](const NodeLoad& each) {
    return is_busy(each.others, each.threads, each.cpus) ? each.others : std::int64_t{0};
  });
  if (!is_busy(busiest->others, busiest->threads, busiest->cpus)) {
    return false;
  }
  if (communicator.is_root()) {
    log_warning(fmt::format(
        "{} {} of other work want{} to run on the {} CPU{} of {}, beside {} of this job: times are longer than they "
        "need to be, and vary. Wait until that work is done, or trust only rows that are not marked noisy",
        busiest->others, busiest->others == 1 ? "thread" : "threads", busiest->others == 1 ? "s" : "", busiest->cpus,
        busiest->cpus == 1 ? "" : "s", busiest->host.data(), busiest->threads));
  }
  return true;
}

}  // namespace ringworld
