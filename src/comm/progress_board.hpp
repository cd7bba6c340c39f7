#pragma once
/// @file  Who of a job still makes progress: what a watchdog hears of all ranks, and what follows from it.
///
///   rank 0   works    count rises        rank 2   waits   count still      fine: rank 2 waits for who works
///   rank 1   works    count still        too long: rank 1 stands still
///   rank 3   is not heard of             too long: it is stopped, or its node is gone
///   all wait, no count rises             too long: they wait for each other

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/activity.hpp"

namespace ringworld {

class ProgressBoard {
 public:
  explicit ProgressBoard(int ranks) : seen_(static_cast<std::size_t>(ranks)) {}

  /// What `rank` says of itself at `now`. A rank that was never heard of is left out of every judgement.
  /// @param now  s, of a clock that the caller keeps
  void hear(int rank, const Activity& activity, double now);
  /// `rank` has come to its end and will say no more.
  void dismiss(int rank);

  /// Why the job has to end at `now`; nothing while it makes progress.
  /// @param limit  s without progress that end it, less for a rank of less patience; 0: only such a rank does
  [[nodiscard]] std::optional<std::string> verdict(double now, double limit) const;
  [[nodiscard]] bool is_heard(int rank) const { return seen(rank).is_heard; }
  /// Seconds since `rank` last spoke, and since it last made progress.
  [[nodiscard]] double silence(int rank, double now) const { return now - seen(rank).heard; }
  [[nodiscard]] double standstill(int rank, double now) const { return now - seen(rank).advanced; }
  /// "rank 1 has not been heard of for 3.0 s ..., last in ..."
  [[nodiscard]] std::string describe_silence(int rank, double now) const;
  /// How many ranks are being heard of.
  [[nodiscard]] int ranks_heard() const;

 private:
  struct Seen {
    bool is_heard = false;
    double heard = 0;     // s, when it last spoke
    double advanced = 0;  // s, when its count last rose
    Activity activity;
  };

  [[nodiscard]] const Seen& seen(int rank) const { return seen_[static_cast<std::size_t>(rank)]; }

  std::vector<Seen> seen_;  // of each rank
};

}  // namespace ringworld
