#pragma once
/// @file  The time of a device by kind of work, from events at the edges of scopes that the passes of a model open.
///
///   compute stream   [ product ][ element-wise ]      [ attention ]   [ product ]
///                    ^         ^               ^      ^           ^   ^         ^      one event an edge
///                                              +-idle-+           +---+
///
/// The clock is the device's: a scope takes as long as what was enqueued in it, however far ahead the host is. On the
/// host, where a call ends with its work, the same events read the wall clock.

#include <array>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string_view>
#include <vector>

#include "core/trace.hpp"
#include "device/device.hpp"

namespace ringworld {

enum class Work : std::uint8_t {
  attention,      ///< with the hops of its ring
  product,        ///< of matrices
  elementwise,    ///< everything else that kernels do
  communication,  ///< time spent waiting for shards and for sums over tensor-parallel ranks
};

inline constexpr std::array<std::string_view, 4> work_names{"attention", "product", "elementwise", "communication"};

/// Seconds by kind of work.
struct WorkSeconds {
  std::array<double, work_names.size()> seconds{};

  [[nodiscard]] double& operator[](Work work) { return seconds[static_cast<std::size_t>(work)]; }
  [[nodiscard]] double operator[](Work work) const { return seconds[static_cast<std::size_t>(work)]; }
  [[nodiscard]] double total() const { return std::accumulate(seconds.begin(), seconds.end(), 0.0); }
};

/// Off until `start`: scopes then cost nothing.
class Profile {
 public:
  /// Opens a scope. A null profile makes the scope a no-op. Scopes nest: the inner one's time is its own.
  class Scope {
   public:
    Scope(Profile* profile, Work work);
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope();

   private:
    Profile* profile_;
    int outer_ = none;
    TraceRegion region_;  // of the host, which on a GPU only enqueues
  };

  /// `device` must outlive this.
  explicit Profile(Device& device) : device_(device) {}

  /// Starts to measure scopes.
  void start();
  /// Seconds since `start` or the last `collect`. Waits until all that was enqueued has ended. @pre no scope is open
  [[nodiscard]] WorkSeconds collect();

  [[nodiscard]] Scope scope(Work work) { return {is_on_ ? this : nullptr, work}; }

 private:
  static constexpr int none = -1;

  /// An edge, and what begins there.
  struct Mark {
    std::unique_ptr<Event> event;
    int work = none;
  };

  /// @return what was under way
  int turn_to(int work);

  Device& device_;
  bool is_on_ = false;
  std::vector<Mark> marks_;  // the first `used_` since the last collect; the rest is kept for the next
  std::size_t used_ = 0;
  int current_ = none;
};

}  // namespace ringworld
