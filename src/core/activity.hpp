#pragma once
/// @file  The current activity of this process: set by the working thread, read by a watchdog (comm/watchdog.hpp).
///
///   {                                                       training stage 0 step 17
///     Phase step("training stage {} step {}", 0, 17);       training stage 0 step 17, forward
///     Phase pass("forward");                                training stage 0 step 17, forward, waiting for hop 1
///     WaitPhase wait("waiting for hop {}", 1);              from the outermost phase to the innermost
///   }
///
/// The count of steps of work is what tells a slow process from one that stands still. Phases belong to the thread that
/// drives the work; `note_progress` may be called on any thread. A phase is a span of the trace as well (core/trace.hpp).

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <utility>

#include "core/lazy_name.hpp"
#include "core/trace.hpp"

namespace ringworld {

/// One more piece of work has been done. Cheap enough for a tile of a kernel; never called while nothing but time
/// passes.
void note_progress() noexcept;

/// The name of a phase that is known only at run time.
struct PhaseName {
  std::string text;
  bool is_waiting = false;  ///< for other ranks
};

/// Sets the activity during its lifetime. Entering and leaving a phase counts as progress.
class Phase {
 public:
  /// `format` takes up to three whole numbers, which are put in only when someone asks.
  explicit Phase(fmt::format_string<std::int64_t, std::int64_t, std::int64_t> format, std::int64_t first = 0,
                 std::int64_t second = 0, std::int64_t third = 0)
      : Phase({.format = format, .values = {first, second, third}}, false) {}
  explicit Phase(PhaseName name);
  [[nodiscard]] static Phase named(std::string name) { return Phase(PhaseName{.text = std::move(name)}); }
  Phase(const Phase&) = delete;
  Phase& operator=(const Phase&) = delete;
  ~Phase();

 protected:
  Phase(const LazyName& name, bool is_waiting);

 private:
  std::string text_;  // of a phase without a format
  TraceRegion region_;
};

/// A phase in which this process only waits for what other ranks do: it does not stand still while they work.
class WaitPhase : public Phase {
 public:
  explicit WaitPhase(fmt::format_string<std::int64_t, std::int64_t, std::int64_t> format, std::int64_t first = 0,
                     std::int64_t second = 0, std::int64_t third = 0)
      : Phase({.format = format, .values = {first, second, third}}, true) {}
};

/// During its lifetime, this many seconds without progress are too long, independent of the watchdog's limit. One at a
/// time.
class Patience {
 public:
  explicit Patience(double seconds);
  Patience(const Patience&) = delete;
  Patience& operator=(const Patience&) = delete;
  ~Patience();
};

/// The activity of the process at one moment.
struct Activity {
  std::uint64_t progress = 0;  ///< pieces of work done so far
  bool is_waiting = false;     ///< for other ranks, in the innermost phase
  std::string phase;           ///< "training stage 0 step 17, forward, ring step 1 of 4"; empty outside all phases
  double patience = 0;         ///< s without progress that are too long; 0: as long as the watchdog allows
};

/// On any thread.
[[nodiscard]] Activity current_activity();

}  // namespace ringworld
