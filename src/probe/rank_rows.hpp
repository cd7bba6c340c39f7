#pragma once
/// @file  The rows that one rank holds of a probe's result: visited, counted, and put together to one verdict.

#include <cstdint>
#include <optional>
#include <vector>

#include "core/thread_team.hpp"
#include "probe/bounds.hpp"
#include "probe/verdict.hpp"

namespace ringworld {

/// Rows of one thread.
class Tally {
 public:
  void count(bool is_right) {
    ++rows_;
    wrong_rows_ += is_right ? 0 : 1;
  }
  [[nodiscard]] bool wants_finding() const { return !first_.has_value(); }
  void report(const ProbeFinding& finding) { first_ = finding; }

  [[nodiscard]] ProbeVerdict verdict() const { return {.rows = rows_, .wrong_rows = wrong_rows_, .first = first_}; }

 private:
  std::int64_t rows_ = 0;
  std::int64_t wrong_rows_ = 0;
  std::optional<ProbeFinding> first_;
};

/// A place in the tensors.
struct ProbeRow {
  std::int64_t sequence;
  std::int64_t token;
  std::int64_t head;
  std::int64_t local;  ///< token_local
};

/// Code shared by the checks of both passes.
class RankRows {
 public:
  RankRows(const Probe& probe, const Partition& partition, const Communicator& ranks, BackwardRotation rotation,
           int threads)
      : probe_(probe),
        problem_(probe.options().problem),
        partition_(partition),
        ranks_(ranks),
        rotation_(rotation),
        threads_(threads),
        bounds_(ProbeBounds::of(problem_, partition.ulysses())) {}

  [[nodiscard]] const Probe& probe() const { return probe_; }
  [[nodiscard]] const AttentionProblem& problem() const { return problem_; }
  [[nodiscard]] int threads() const { return threads_; }
  [[nodiscard]] const ProbeBounds& bounds() const { return bounds_; }
  /// The runs of tokens that this rank holds.
  [[nodiscard]] std::vector<TokenRun> runs() const { return partition_.runs(ranks_.rank()); }
  [[nodiscard]] std::int64_t tokens() const { return partition_.tokens(ranks_.rank()); }

  /// Calls `function(tally, row)` for the tokens that this rank holds.
  template <class Function>
  void for_each_row(std::int64_t b, std::int64_t h, Function&& function) {
    std::vector<Tally> tallies(static_cast<std::size_t>(threads_));
    run_team(threads_, [&](TeamMember member) {
      Tally& tally = tallies[static_cast<std::size_t>(member.index)];
      for (const TokenRun& run : runs()) {
        for (std::int64_t i = member.index; i < run.count; i += member.size) {
          function(
              tally,
              ProbeRow{.sequence = b, .token = run.token + i * run.stride, .head = h, .local = run.token_local + i});
        }
      }
    });
    for (const Tally& tally : tallies) {
      mine_ += tally.verdict();
    }
  }

  [[nodiscard]] ProbeFinding finding(const ProbeHead& head, const ProbeRow& row, ProbeTensor tensor) const;
  /// Names the key or query whose share is wrong.
  void blame(ProbeFinding& finding, std::int64_t other, ProbeFault fault) const;
  /// The verdict of all ranks. Collective.
  [[nodiscard]] ProbeVerdict merge() const;

 private:
  const Probe& probe_;
  const AttentionProblem& problem_;
  const Partition& partition_;
  const Communicator& ranks_;
  BackwardRotation rotation_;
  int threads_;
  ProbeBounds bounds_;
  ProbeVerdict mine_;
};

}  // namespace ringworld
