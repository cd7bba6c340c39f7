#pragma once
/// @file  Seconds of an exchange of heads among U neighbours.

#include <vector>

#include "sequence/exchange_block.hpp"
#include "sequence/partition.hpp"
#include "sequence/plan_time.hpp"

namespace ringworld::plan_timing {

/// Exchanges of heads among U neighbours: packed by the rank, sent while it may compute, unpacked by it. Messages of two
/// exchanges follow each other.
class Exchanges {
 public:
  Exchanges(const TimedPass& pass, const PlanRates& rates, const Partition& partition, std::vector<double>& clocks)
      : pass_(pass),
        rates_(rates),
        partition_(partition),
        problem_(exchanged_problem(pass.problem, pass.schedule)),
        clocks_(clocks),
        link_is_free_(clocks.size()) {}

  /// Packs, and starts to send.
  /// @return when each rank has what it gets
  [[nodiscard]] std::vector<double> start(ExchangeCargo cargo);
  /// Waits, and unpacks.
  void finish(ExchangeCargo cargo, const std::vector<double>& arrival);

 private:
  /// What one rank packs, sends, receives and unpacks, bytes.
  struct Share {
    double packed = 0;
    double moved = 0;
    double unpacked = 0;
  };

  [[nodiscard]] Share share_of(ExchangeCargo cargo, int rank) const;
  [[nodiscard]] double bytes(ExchangeCargo cargo, int rank) const;

  const TimedPass& pass_;
  const PlanRates& rates_;
  const Partition& partition_;
  AttentionProblem problem_;
  std::vector<double>& clocks_;
  std::vector<double> link_is_free_;
};

}  // namespace ringworld::plan_timing
