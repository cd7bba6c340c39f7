#include "sequence/plan_timing/head_exchange_time.hpp"

#include <algorithm>

#include "sequence/plan_timing/link_seconds.hpp"
#include "sequence/plan_timing/rank_work.hpp"

namespace ringworld::plan_timing {

void Exchanges::run(ExchangeCargo cargo) {
  const int neighbours = pass_.schedule.ulysses;
  for (int first = 0; first < pass_.ranks; first += neighbours) {
    exchange(cargo, first, neighbours);
  }
}

void Exchanges::exchange(ExchangeCargo cargo, int first, int neighbours) {
  const bool is_of_receiver = cargo == ExchangeCargo::results || cargo == ExchangeCargo::gradients;
  const std::vector<int> nodes(pass_.nodes.begin() + first, pass_.nodes.begin() + first + neighbours);
  double all = 0;
  for (int member = 0; member < neighbours; ++member) {
    all += bytes(cargo, first + member);
  }
  double begin = 0;
  double longest = 0;
  for (int member = 0; member < neighbours; ++member) {
    const double own = bytes(cargo, first + member);
    const double sent = is_of_receiver ? all - own : (neighbours - 1) * own;
    const double received = is_of_receiver ? (neighbours - 1) * own : all - own;
    const double packed = is_of_receiver ? all : neighbours * own;
    const double unpacked = is_of_receiver ? neighbours * own : all;
    const auto rank = index_of(first + member);
    begin = std::max(begin, clocks_[rank] + 2 * packed / rates_.memory_bytes_per_second);
    longest = std::max(longest, group_seconds(rates_, GroupMotion::all_to_all, neighbours, span_nodes(nodes),
                                              std::max(sent, received)));
    unpacking_ = std::max(unpacking_, 2 * unpacked / rates_.memory_bytes_per_second);
  }
  for (int member = 0; member < neighbours; ++member) {
    clocks_[index_of(first + member)] = begin + longest + unpacking_;
  }
  unpacking_ = 0;
}

double Exchanges::bytes(ExchangeCargo cargo, int rank) const {
  return static_cast<double>(exchange_block_bytes(problem_, cargo, partition_.tokens(rank)));
}

}  // namespace ringworld::plan_timing
