#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <tuple>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "sequence/plan_time.hpp"
#include "sequence/plan_timing/link_seconds.hpp"
#include "sequence/plan_timing/ports.hpp"
#include "sequence/plan_timing/rank_work.hpp"

namespace ringworld {
namespace plan_timing {
namespace {

/// Moves the clocks of all ranks on, step by step.
class Clocks {
 public:
  Clocks(const TimedPlans& plans, const PlanRates& rates, std::vector<double>& now)
      : rates_(rates), nodes_(plans.nodes), ports_(rates, plans.rings), now_(now) {
    PlanReader reader(plans, rates);
    const int ranks = static_cast<int>(plans.partition.ranks());
    for (int rank = 0; rank < ranks; ++rank) {
      work_.push_back(reader.read(rank));
    }
    steps_ = reader.steps();
    for (auto& posts : posts_) {
      posts.resize(index_of(ranks) * (index_of(steps_) + 1));
    }
    latest_.resize(2 * (index_of(steps_) + 1), 0);
  }

  PassTime::Steps run(std::vector<double>& compute) {
    const std::size_t ranks = work_.size();
    PassTime::Steps times{.steps = steps_, .begin = std::vector<double>(ranks * (index_of(steps_) + 1))};
    std::vector<double> begin(ranks);
    std::vector<double> ends(ranks);  // of what a rank waits for in a step
    for (int step = 0; step < steps_; ++step) {
      for (std::size_t rank = 0; rank < ranks; ++rank) {
        begin[rank] = now_[rank];
        times.begin[rank * (index_of(steps_) + 1) + index_of(step)] = now_[rank];
        now_[rank] += work_[rank].packing[index_of(step)];
        post(false, rank, step);
      }
      carry(false, step);
      for (std::size_t rank = 0; rank < ranks; ++rank) {
        const double seconds = work_[rank].tasks[index_of(step)];
        now_[rank] += seconds;
        compute[rank] += seconds;
        const double of_sums = end_of_needed(true, rank, step + 1);
        ends[rank] = std::max(begin[rank], of_sums);
        busy_until_[rank] = now_[rank];
        now_[rank] = std::max(now_[rank], of_sums) + work_[rank].folds[index_of(step) + 1];
        post(true, rank, step + 1);
      }
      carry(true, step + 1);
      for (std::size_t rank = 0; rank < ranks; ++rank) {
        const double of_operands = end_of_needed(false, rank, step + 1);
        ends[rank] = std::max(ends[rank], of_operands);
        // What is not hidden of the shorter one comes on top of the longer one.
        const double shorter = std::min(busy_until_[rank], ends[rank]) - begin[rank];
        now_[rank] = std::max(now_[rank], of_operands) + (1 - rates_.overlap) * shorter;
      }
    }
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      times.begin[rank * (index_of(steps_) + 1) + index_of(steps_)] = now_[rank];
    }
    return times;
  }

 private:
  /// Carries the messages that all ranks have posted before one step.
  void carry(bool of_sums, int boundary) {
    std::vector<Job> jobs;
    for (std::size_t rank = 0; rank < work_.size(); ++rank) {
      for (Flow& flow : work_[rank].posted(boundary)) {
        if (flow.of_sums != of_sums || flow.motion != Motion::send_receive || flow.to == none) {
          continue;
        }
        const Port port = link_of(rates_, flow.is_between_nodes).port;
        const int owner = port == Port::node ? nodes_[rank] : static_cast<int>(rank);
        jobs.push_back(
            {.port = {flow.is_between_nodes, owner, port == Port::cable ? flow.to : none},
             .ready = std::max(posted_at(of_sums, rank, boundary), posted_at(of_sums, index_of(flow.to), boundary)),
             .flow = &flow});
      }
    }
    ports_.carry(std::move(jobs));
  }

  double& posted_at(bool of_sums, std::size_t rank, int boundary) {
    return posts_[of_sums ? 1 : 0][rank * (index_of(steps_) + 1) + index_of(boundary)];
  }

  void post(bool of_sums, std::size_t rank, int boundary) {
    posted_at(of_sums, rank, boundary) = now_[rank];
    double& latest = latest_[2 * index_of(boundary) + (of_sums ? 1 : 0)];
    latest = std::max(latest, now_[rank]);
    for (const Flow& flow : work_[rank].posted(boundary)) {
      if (flow.of_sums == of_sums) {
        needed_[{flow.needed_before, of_sums, rank}].push_back(&flow);
      }
    }
  }

  /// When the last transfer has ended that this rank needs before a step.
  double end_of_needed(bool of_sums, std::size_t rank, int boundary) {
    const auto found = needed_.find({boundary, of_sums, rank});
    if (found == needed_.end()) {
      return 0;
    }
    double end = 0;
    for (const Flow* const flow : found->second) {
      end = std::max(end, end_of(*flow, rank));
    }
    needed_.erase(found);
    return end;
  }

  double end_of(const Flow& flow, std::size_t rank) {
    const double mine = posted_at(flow.of_sums, rank, flow.posted_before);
    const double latest = latest_[2 * index_of(flow.posted_before) + (flow.of_sums ? 1 : 0)];
    switch (flow.motion) {
      case Motion::send_receive: {
        double end = mine;
        if (flow.to != none) {
          end = flow.end;
        }
        if (flow.from != none) {
          end = std::max(end, sent_to(rank, flow).end);
        }
        return end;
      }
      case Motion::broadcast:
        return std::max(mine, posted_at(flow.of_sums, index_of(flow.owner), flow.posted_before)) + flow.seconds;
      case Motion::reduce:
        return (static_cast<int>(rank) == flow.owner ? latest : mine) + flow.seconds;
      case Motion::all_gather:
      case Motion::reduce_scatter:
      case Motion::reduce_maximum:
        return latest + flow.seconds;
    }
    throw Error(ErrorKind::internal, "a motion outside its enumeration");
  }

  /// The transfer by which its sender sends what `flow` receives.
  const Flow& sent_to(std::size_t rank, const Flow& flow) {
    for (const Flow& other : work_[index_of(flow.from)].posted(flow.posted_before)) {
      if (other.lane == flow.lane && other.of_sums == flow.of_sums && other.to == static_cast<int>(rank)) {
        return other;
      }
    }
    throw Error(ErrorKind::internal, "a plan receives what no other plan sends");
  }

  const PlanRates& rates_;
  const std::vector<int>& nodes_;
  Ports ports_;
  std::vector<double>& now_;
  std::vector<RankWork> work_;
  int steps_ = 0;
  std::array<std::vector<double>, 2> posts_;  // [of sums](rank, boundary)
  std::vector<double> latest_;                // (boundary, of sums)
  std::vector<double> busy_until_ = std::vector<double>(now_.size());
  std::map<std::tuple<int, bool, std::size_t>, std::vector<const Flow*>> needed_;
};

}  // namespace
}  // namespace plan_timing

PassTime::Steps time_plans(const TimedPlans& plans, const PlanRates& rates, std::vector<double>& clocks,
                           std::vector<double>& compute) {
  return plan_timing::Clocks(plans, rates, clocks).run(compute);
}

}  // namespace ringworld
