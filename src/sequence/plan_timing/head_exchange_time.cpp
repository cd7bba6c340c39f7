#include "sequence/plan_timing/head_exchange_time.hpp"

#include <algorithm>

#include "sequence/plan_timing/link_seconds.hpp"
#include "sequence/plan_timing/rank_work.hpp"

namespace ringworld::plan_timing {

std::vector<double> Exchanges::start(ExchangeCargo cargo) {
  const int neighbours = pass_.schedule.ulysses;
  std::vector<double> arrival(clocks_.size());
  for (int first = 0; first < pass_.ranks; first += neighbours) {
    const std::vector<int> nodes(pass_.nodes.begin() + first, pass_.nodes.begin() + first + neighbours);
    double begin = 0;
    double longest = 0;
    for (int rank = first; rank < first + neighbours; ++rank) {
      const Share share = share_of(cargo, rank);
      clocks_[index_of(rank)] += 2 * share.packed / rates_.memory_bytes_per_second;
      begin = std::max({begin, clocks_[index_of(rank)], link_is_free_[index_of(rank)]});
      longest =
          std::max(longest, group_seconds(rates_, GroupMotion::all_to_all, neighbours, span_nodes(nodes), share.moved));
    }
    for (int rank = first; rank < first + neighbours; ++rank) {
      link_is_free_[index_of(rank)] = arrival[index_of(rank)] = begin + longest;
    }
  }
  return arrival;
}

void Exchanges::finish(ExchangeCargo cargo, const std::vector<double>& arrival) {
  for (int rank = 0; rank < pass_.ranks; ++rank) {
    double& clock = clocks_[index_of(rank)];
    clock =
        std::max(clock, arrival[index_of(rank)]) + 2 * share_of(cargo, rank).unpacked / rates_.memory_bytes_per_second;
  }
}

Exchanges::Share Exchanges::share_of(ExchangeCargo cargo, int rank) const {
  const bool is_of_receiver = cargo == ExchangeCargo::results || cargo == ExchangeCargo::gradients;
  const int neighbours = pass_.schedule.ulysses;
  const int first = rank - rank % neighbours;
  double all = 0;
  for (int member = 0; member < neighbours; ++member) {
    all += bytes(cargo, first + member);
  }
  const double own = bytes(cargo, rank);
  // Results go out by the tokens of their receivers, and come in by the rank's own.
  const double by_own = neighbours * own;
  return {.packed = is_of_receiver ? all : by_own,
          .moved = std::max(all, by_own) - own,
          .unpacked = is_of_receiver ? by_own : all};
}

double Exchanges::bytes(ExchangeCargo cargo, int rank) const {
  return static_cast<double>(exchange_block_bytes(problem_, cargo, partition_.tokens(rank)));
}

}  // namespace ringworld::plan_timing
