#include "core/trace.hpp"

#include <algorithm>
#include <atomic>
#include <deque>
#include <mutex>
#include <thread>
#include <utility>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/simulated_ranks.hpp"

namespace ringworld {
namespace {

constexpr double unseen = -1;  // the begin of a region that nobody wants to know of

/// A process has one. Of simulated ranks each has its own.
struct TraceLog {
  std::mutex mutex;
  std::size_t capacity = 0;  // 0: off
  std::vector<TraceSpan> spans;
  std::size_t oldest = 0;  // of a full log
  std::int64_t left_out = 0;
  double left_out_until = 0;
  std::thread::id thread;  // whose regions are kept
};

TraceLog& trace_log() {
  if (!are_ranks_simulated()) {
    static TraceLog instance;
    return instance;
  }
  static std::deque<TraceLog> of_ranks;
  while (of_ranks.size() <= simulated_rank()) {
    of_ranks.emplace_back();
  }
  return of_ranks[simulated_rank()];
}

std::vector<std::unique_ptr<RegionObserver>>& region_observers() {
  static std::vector<std::unique_ptr<RegionObserver>> instance;
  return instance;
}

/// Logs and observers that are there.
std::atomic<int>& trace_listeners() {
  static std::atomic<int> instance{0};
  return instance;
}

bool is_of_another_thread(const TraceLog& log) {
  return !are_ranks_simulated() && log.thread != std::this_thread::get_id();
}

}  // namespace

void start_trace(std::size_t capacity) {
  require(capacity > 0, "a trace keeps one span or more");
  TraceLog& log = trace_log();
  const std::lock_guard lock(log.mutex);
  require(log.capacity == 0, "the trace has been started");
  log.capacity = capacity;
  log.thread = std::this_thread::get_id();
  ++trace_listeners();
}

Trace take_trace() {
  TraceLog& log = trace_log();
  const std::lock_guard lock(log.mutex);
  Trace trace{.spans = std::move(log.spans),
              .left_out = std::exchange(log.left_out, 0),
              .left_out_until = std::exchange(log.left_out_until, 0)};
  std::ranges::sort(trace.spans, [](const TraceSpan& a, const TraceSpan& b) {
    return a.begin != b.begin ? a.begin < b.begin : a.end > b.end;
  });
  log.spans.clear();
  log.oldest = 0;
  if (std::exchange(log.capacity, 0) > 0) {
    --trace_listeners();
  }
  return trace;
}

bool is_tracing() noexcept { return trace_listeners().load(std::memory_order_relaxed) > 0; }

void add_to_trace(TraceSpan span) {
  TraceLog& log = trace_log();
  const std::lock_guard lock(log.mutex);
  if (log.capacity == 0 || (span.track == TraceTrack::work && is_of_another_thread(log))) {
    return;
  }
  if (log.spans.size() < log.capacity) {
    log.spans.push_back(std::move(span));
    return;
  }
  TraceSpan& dropped = log.spans[log.oldest];
  ++log.left_out;
  log.left_out_until = std::max(log.left_out_until, dropped.end);
  dropped = std::move(span);
  log.oldest = (log.oldest + 1) % log.capacity;
}

void observe_regions(std::unique_ptr<RegionObserver> observer) {
  region_observers().push_back(std::move(observer));
  ++trace_listeners();
}

TraceRegion::TraceRegion(const LazyName& name) : name_(name), begin_(is_tracing() ? now_seconds() : unseen) {
  if (begin_ != unseen) {
    for (const auto& observer : region_observers()) {
      observer->begin(name_);
    }
  }
}

TraceRegion::~TraceRegion() {
  if (begin_ == unseen) {
    return;
  }
  const double end = now_seconds();
  for (const auto& observer : region_observers()) {
    observer->end(name_);
  }
  add_to_trace({.track = TraceTrack::work, .name = name_.to_string(), .begin = begin_, .end = end});
}

void TraceFlight::begin(std::string_view name, std::int64_t bytes, int to, int from) {
  if (is_tracing()) {
    span_ = {.track = TraceTrack::transfers,
             .name = std::string(name),
             .begin = now_seconds(),
             .end = 0,
             .bytes = bytes,
             .to = to,
             .from = from};
    is_under_way_ = true;
  }
}

void TraceFlight::end() {
  if (std::exchange(is_under_way_, false)) {
    span_.end = now_seconds();
    add_to_trace(std::move(span_));
  }
}

}  // namespace ringworld
