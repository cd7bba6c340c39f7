#pragma once
/// @file  Seconds of an exchange of heads among U neighbours.

#include <vector>

#include "sequence/exchange_block.hpp"
#include "sequence/partition.hpp"
#include "sequence/plan_time.hpp"

namespace ringworld::plan_timing {

/// An exchange of heads among U neighbours: packed, sent, unpacked. Nothing hides it.
class Exchanges {
 public:
  Exchanges(const TimedPass& pass, const PlanRates& rates, const Partition& partition, std::vector<double>& clocks)
      : pass_(pass),
        rates_(rates),
        partition_(partition),
        problem_(exchanged_problem(pass.problem, pass.schedule.ulysses)),
        clocks_(clocks) {}

  void run(ExchangeCargo cargo);

 private:
  void exchange(ExchangeCargo cargo, int first, int neighbours);
  [[nodiscard]] double bytes(ExchangeCargo cargo, int rank) const;

  const TimedPass& pass_;
  const PlanRates& rates_;
  const Partition& partition_;
  AttentionProblem problem_;
  std::vector<double>& clocks_;
  double unpacking_ = 0;
};

}  // namespace ringworld::plan_timing
