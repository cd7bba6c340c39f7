#pragma once
/// @file  Predicted times beside measured ones: a pass of every rank from rates of its parts.

#include <map>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "comm/communicator.hpp"
#include "experiments/attention/collective_rates.hpp"
#include "experiments/attention/config.hpp"
#include "experiments/attention/point.hpp"
#include "experiments/attention/rows.hpp"
#include "perf/rate_table.hpp"

namespace ringworld {

class Predictor {
 public:
  /// Reads the file of rates, when there is one.
  /// @throws Error(bad_input) when it is wrong
  explicit Predictor(const SweepOptions& values);

  /// From now on collectives take the times that these rows say, where they are of a job like that of the point; else
  /// those of hops. Rows are wanted on the root, which records what is predicted.
  void use_links(std::vector<LinkRow> rows) { links_ = std::move(rows); }

  /// Predicts from the rates that were given, whatever runs.
  /// @param overlap  of compute and communication
  /// Fills the row's predicted columns. @throws Error(bad_input) when a rate is missing
  void predict(const SweepPoint& point, double overlap, AttentionRow& row) const;

  /// Predicts a point that has run: from the rates that were given, or from those that its ranks reach now. A point
  /// whose ranks share CPUs has no prediction. Collective over `ring`.
  void measure_and_predict(const Communicator& ring, const SweepPoint& point, PointResult& result);

  /// Writes the rates that were measured, if they are wanted: those of the largest ring.
  void write_rates() const;

 private:
  struct Measured {
    std::optional<std::string> cpu_sharing;  ///< why there are no rates
    RateTable table;
  };

  /// The predicted columns of a row.
  void fill(const SweepPoint& point, const RateTable& table, std::string from, double overlap, AttentionRow& row) const;

  const SweepOptions& values_;
  std::optional<RateTable> given_;
  std::vector<LinkRow> links_;
  std::map<std::tuple<std::int64_t, Backend, DType, int>, Measured> measured_;  // by ranks, and what computes
};

/// The share of the shorter of compute and transfer that a probe found hidden, over all hops.
[[nodiscard]] double overlap_of(const OverlapProbe& probe);

/// Predicted beside measured, for people; a dry run has no measured time.
[[nodiscard]] std::string prediction_table(std::span<const AttentionRow> rows);

}  // namespace ringworld
