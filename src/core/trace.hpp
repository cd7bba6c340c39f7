#pragma once
/// @file  What this process did and when: spans, kept in memory until they become a file
/// (experiments/common/trace_file.hpp).
///
///   work       [ forward [ ring step 1 of 2 [ compute ][ waiting for hop 1 ]][ ring step 2 of 2 [ compute ] ] ]
///   transfers              <-------- hop -------->                         begin and end in any order
///   device                    [ ring step 1 of 2 on the GPU ]              one after another
///
/// Every phase (core/activity.hpp) is a span, and so is every transfer (comm). Off until `start_trace`: a region then
/// costs a look at a flag. The latest spans are kept and older ones dropped, so that memory is bounded; an outer span
/// ends after its inner ones, so that what is left still nests.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/lazy_name.hpp"

namespace ringworld {

enum class TraceTrack : std::uint8_t {
  work,       ///< of the thread that drives the work: spans nest
  transfers,  ///< spans overlap
  device,     ///< what a GPU ran, one after another
};

struct TraceSpan {
  TraceTrack track = TraceTrack::work;
  std::string name;
  double begin = 0;        ///< s, as now_seconds
  double end = 0;          ///< s
  std::int64_t bytes = 0;  ///< of a transfer: that this rank sends; for a collective, that must leave it
  int to = -1;             ///< of a hop: rank in the job; -1: nobody
  int from = -1;
};

/// What was kept of this process.
struct Trace {
  std::vector<TraceSpan> spans;  ///< by begin, an outer one before its inner ones
  std::int64_t left_out = 0;     ///< spans dropped, the earliest that ended
  double left_out_until = 0;     ///< s; when the last of those ended
};

/// Starts to keep spans of the calling thread, and transfers of any.
/// @param capacity  spans that are kept; at least 1
void start_trace(std::size_t capacity);
/// Ends it and hands over what was kept; empty when none was started.
[[nodiscard]] Trace take_trace();
/// Whether someone wants to know of regions: a trace, or an observer.
[[nodiscard]] bool is_tracing() noexcept;
/// Adds a span whose begin and end are known. Nothing when no trace was started.
void add_to_trace(TraceSpan span);

/// Told of every region as it begins and ends: the markers of a profiler. Regions of one thread nest.
class RegionObserver {
 public:
  virtual ~RegionObserver() = default;
  virtual void begin(const LazyName& name) = 0;
  virtual void end(const LazyName& name) = 0;
};
/// From now on to the end of the process.
void observe_regions(std::unique_ptr<RegionObserver> observer);

/// A span of the work track: its lifetime.
class TraceRegion {
 public:
  /// The text of the name must outlive the region.
  explicit TraceRegion(const LazyName& name);
  /// The same for a name without numbers.
  explicit TraceRegion(std::string_view text) : TraceRegion(LazyName::of_text(text)) {}
  TraceRegion(const TraceRegion&) = delete;
  TraceRegion& operator=(const TraceRegion&) = delete;
  ~TraceRegion();

 private:
  LazyName name_;
  double begin_;  // s; negative: nobody wants to know
};

/// A transfer under way: a span whose begin and end lie in different calls.
class TraceFlight {
 public:
  /// @param name  text that lives for ever; all transfers of one kind have one name
  void begin(std::string_view name, std::int64_t bytes, int to = -1, int from = -1);
  /// Nothing unless one has begun.
  void end();

 private:
  TraceSpan span_;
  bool is_under_way_ = false;
};

}  // namespace ringworld
