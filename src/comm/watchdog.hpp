#pragma once
/// @file  Ends a job that makes no progress: a rank stopped or dead, a kernel or a file system that hangs, ranks that
/// wait for each other.
///
/// A thread of each rank looks at what its process is doing (core/activity.hpp) and tells rank 0 (comm/heartbeat.hpp),
/// which judges all of them together (comm/progress_board.hpp). When the limit has passed, every rank that can prints
/// what it was doing, rank 0 says its last words (core/last_words.hpp), and the job ends. Rank 0 itself is watched by
/// the others; the first of them that can says the last words in its place.
///
/// A process may set itself a shorter limit for the work at hand (Patience in core/activity.hpp).
///
/// Time in which the whole process was stopped does not count: a job that Slurm suspends and resumes goes on.

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "comm/communicator.hpp"
#include "comm/heartbeat.hpp"
#include "comm/progress_board.hpp"

namespace ringworld {

/// Exit code of a job that was ended because it made no progress.
inline constexpr int no_progress_exit_code = 3;

class Watchdog {
 public:
  static constexpr double default_limit = 600;  ///< s

  /// Watches nothing yet.
  explicit Watchdog(Communicator world);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  /// Ends the watch in order.
  ~Watchdog();

  /// From here on, `limit` seconds without progress end the job; 0 = no limit. The first call is collective over the
  /// job's ranks; later ones only change the limit. Simulated ranks are not watched.
  void watch(double limit);
  [[nodiscard]] double limit() const { return limit_; }

 private:
  void run();
  /// Sends what this rank does, and judges. @param now  s in which this process was awake
  void check(double now, double limit, double period);
  void hear(const Heartbeat& heartbeat, double now, double limit);
  /// Whose last words are waited for.
  enum class Speaker : std::uint8_t {
    root,
    any,     ///< the root stands still
    nobody,  ///< nothing is known of the root
  };
  [[noreturn]] void end_job(const std::string& reason, double limit, Speaker speaker);

  Communicator world_;
  ProgressBoard board_;  // rank 0: of all ranks; others: of themselves and rank 0's pulse
  std::unique_ptr<HeartbeatChannel> channel_;
  std::atomic<double> limit_{default_limit};
  std::atomic<bool> is_over_{false};
  bool has_root_left_ = false;
  bool has_warned_ = false;
  std::thread thread_;
};

}  // namespace ringworld
