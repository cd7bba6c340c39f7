#include "experiments/common/cpu_sharing.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "core/log.hpp"
#include "core/topology.hpp"
#include "io/rank_row.hpp"

namespace ringworld {
namespace {

constexpr std::size_t word_bits = 64;
constexpr std::size_t most_cpus = 8192;

/// As it travels between ranks.
struct Binding {
  std::int64_t rank = 0;
  std::int64_t threads = 0;
  std::array<std::uint64_t, most_cpus / word_bits> cpus{};
};

Binding binding_of(int rank, std::int64_t threads) {
  Binding binding{.rank = rank, .threads = threads, .cpus = {}};
  for (const int cpu : allowed_cpus()) {
    if (const auto number = static_cast<std::size_t>(cpu); number < most_cpus) {
      binding.cpus[number / word_bits] |= std::uint64_t{1} << (number % word_bits);
    }
  }
  return binding;
}

RankCpus unpacked(const Binding& binding) {
  RankCpus rank{.rank = static_cast<int>(binding.rank), .threads = binding.threads, .cpus = {}};
  for (std::size_t cpu = 0; cpu < most_cpus; ++cpu) {
    if ((binding.cpus[cpu / word_bits] >> (cpu % word_bits) & 1U) != 0) {
      rank.cpus.push_back(static_cast<int>(cpu));
    }
  }
  return rank;
}

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "a node";
}

/// Threads that can run on these CPUs only.
struct Demand {
  std::int64_t threads = 0;
  std::vector<int> ranks;
};

Demand demand_for(std::span<const RankCpus> ranks, const std::vector<int>& cpus) {
  Demand demand;
  for (const RankCpus& rank : ranks) {
    if (!rank.cpus.empty() && rank.threads > 0 && std::ranges::includes(cpus, rank.cpus)) {
      demand.threads += rank.threads;
      demand.ranks.push_back(rank.rank);
    }
  }
  return demand;
}

}  // namespace

std::optional<std::string> describe_cpu_sharing(std::span<const RankCpus> ranks) {
  std::vector<std::vector<int>> sets;
  std::vector<int> all;
  for (const RankCpus& rank : ranks) {
    if (rank.threads > 0) {
      sets.push_back(rank.cpus);
      std::ranges::copy(rank.cpus, std::back_inserter(all));
    }
  }
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  sets.push_back(all);
  std::ranges::sort(sets);
  sets.erase(std::ranges::unique(sets).begin(), sets.end());
  const std::vector<int>* worst = nullptr;
  double most = 1;  // threads a CPU
  for (const std::vector<int>& cpus : sets) {
    const auto threads = static_cast<double>(demand_for(ranks, cpus).threads);
    if (!cpus.empty() && threads / static_cast<double>(cpus.size()) > most) {
      most = threads / static_cast<double>(cpus.size());
      worst = &cpus;
    }
  }
  if (worst == nullptr) {
    return std::nullopt;
  }
  constexpr std::size_t most_names = 8;
  const Demand demand = demand_for(ranks, *worst);
  const auto named = std::span(demand.ranks).first(std::min(demand.ranks.size(), most_names));
  return fmt::format("{} threads of rank{} {}{} share {} CPU{} (bound to {})", demand.threads,
                     demand.ranks.size() == 1 ? "" : "s", fmt::join(named, ", "),
                     named.size() < demand.ranks.size() ? ", ..." : "", worst->size(), worst->size() == 1 ? "" : "s",
                     format_cpu_list(*worst));
}

std::optional<std::string> find_cpu_sharing(const Communicator& communicator, std::int64_t threads) {
  const Communicator node = communicator.split_by_node();
  std::vector<RankCpus> ranks;
  for (const Binding& binding : node.all_gather(binding_of(communicator.rank(), threads))) {
    ranks.push_back(unpacked(binding));
  }
  const auto sharing = node.is_root() ? describe_cpu_sharing(ranks) : std::nullopt;
  const std::vector<std::int64_t> nodes = communicator.all_gather(std::int64_t{sharing.has_value() ? 1 : 0});
  const auto first = std::ranges::find(nodes, 1);
  if (first == nodes.end()) {
    return std::nullopt;
  }
  const auto others = std::ranges::count(nodes, 1) - 1;
  return communicator.broadcast(sharing ? fmt::format("{} on {}{}", *sharing, host_name(),
                                                      others > 0 ? fmt::format(" (so on {} more nodes)", others) : "")
                                        : std::string(),
                                static_cast<int>(first - nodes.begin()));
}

bool warn_of_shared_cpus(const Communicator& communicator, std::int64_t threads) {
  const auto found = find_cpu_sharing(communicator, threads);
  if (found.has_value() && communicator.is_root()) {
    log_warning(
        fmt::format("{}: they take turns, and times are longer than they need to be. Use fewer --threads or "
                    "ranks a node, or let each rank have its CPUs (mpirun --map-by slot:PE=N, srun "
                    "--cpus-per-task=N)",
                    *found));
  }
  return found.has_value();
}

}  // namespace ringworld
