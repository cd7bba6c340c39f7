#pragma once
/// @file  What a rank does in a pass, read off its plan: seconds of its blocks and folds, and its transfers.

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "sequence/plan.hpp"
#include "sequence/plan_time.hpp"
#include "sequence/visibility.hpp"

namespace ringworld::plan_timing {

inline std::size_t index_of(int value) { return static_cast<std::size_t>(value); }

/// A transfer of a rank as far as its time needs it.
struct Flow {
  int to = none;
  int from = none;
  int owner = none;  ///< of a collective
  int posted_before = 0;
  int needed_before = 0;
  Motion motion = Motion::send_receive;
  LaneName lane = LaneName::up;
  bool of_sums = false;
  bool is_between_nodes = false;
  double bytes = 0;    ///< sent; of a collective: that the busiest rank sends or receives
  double seconds = 0;  ///< of a collective
  double end = 0;      ///< of a message that is sent: when it has arrived
};

/// What a rank does in a pass.
struct RankWork {
  std::vector<Flow> flows;              ///< in rising order of posted_before
  std::vector<std::size_t> first_flow;  ///< of each boundary, and their number
  std::vector<double> packing;          ///< of each boundary
  std::vector<double> tasks;            ///< of each step
  std::vector<double> folds;            ///< of each boundary

  [[nodiscard]] std::span<Flow> posted(int boundary) {
    return std::span(flows).subspan(first_flow[index_of(boundary)],
                                    first_flow[index_of(boundary) + 1] - first_flow[index_of(boundary)]);
  }
};

/// Reads plans, and forgets them.
class PlanReader {
 public:
  PlanReader(const TimedPlans& plans, const PlanRates& rates) : plans_(plans), rates_(rates) {}

  /// @throws Error(internal) when plans of one pass differ in their number of steps
  [[nodiscard]] RankWork read(int rank);
  [[nodiscard]] int steps() const { return steps_; }

 private:
  [[nodiscard]] double memory_seconds(double count) const { return count / rates_.memory_bytes_per_second; }
  const std::vector<TokenRun>& runs(const Piece& piece);
  double bytes(Cargo cargo, const Piece& piece);
  double seconds_of(const BlockTask& task);
  /// The bytes of all pieces but the rank's own.
  double bytes_of_others(const Transfer& transfer, int rank);
  double seconds_of_group(const Transfer& transfer, int rank, bool is_between_nodes);
  Flow flow_of(const Transfer& transfer, int rank);

  const TimedPlans& plans_;
  const PlanRates& rates_;
  int steps_ = 0;
  std::map<std::pair<int, Cut>, std::vector<TokenRun>> runs_;
  std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>, double> seconds_;
};

}  // namespace ringworld::plan_timing
