#include "experiments/common/trace_file.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "core/build_info.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/simulated_ranks.hpp"
#include "device/device_activity.hpp"
#include "io/output_path.hpp"
#include "io/pending_file.hpp"

namespace ringworld {
namespace {

constexpr int text_tag = 0;
constexpr double microseconds = 1e6;

std::string json_text(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// Times of this rank's clock on that of the root.
class ClockMap {
 public:
  ClockMap(const ClockOffset& at_begin, double begin, const ClockOffset& at_end, double end, double zero)
      : offset_(at_begin.seconds),
        begin_(begin),
        drift_(end > begin ? (at_end.seconds - at_begin.seconds) / (end - begin) : 0),
        zero_(zero) {}

  /// Microseconds since the begin of the trace.
  [[nodiscard]] double operator()(double seconds) const {
    return (seconds + offset_ + drift_ * (seconds - begin_) - zero_) * microseconds;
  }

 private:
  double offset_;
  double begin_;
  double drift_;
  double zero_;
};

std::string node_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "a node";
}

std::string name_event(std::string_view what, int rank, int thread, std::string_view key, const std::string& value) {
  return fmt::format(R"({{"ph":"M","name":"{}","pid":{},"tid":{},"args":{{"{}":{}}}}},)"
                     "\n",
                     what, rank, thread, key, value);
}

/// Events of one rank, with commas between them.
std::string events_of(const Trace& trace, int rank, const ClockMap& clock) {
  constexpr int work_thread = 1;
  constexpr int device_thread = 2;
  std::string text =
      name_event("process_name", rank, 0, "name", json_text(fmt::format("rank {} on {}", rank, node_name())));
  text += name_event("process_sort_index", rank, 0, "sort_index", fmt::format("{}", rank));
  text += name_event("thread_name", rank, work_thread, "name", json_text("work"));
  if (std::ranges::any_of(trace.spans, [](const TraceSpan& span) { return span.track == TraceTrack::device; })) {
    text += name_event("thread_name", rank, device_thread, "name", json_text("device"));
  }
  if (trace.left_out > 0) {
    text += name_event("process_labels", rank, 0, "labels",
                       json_text(fmt::format("{} spans left out, the last of them ended at {:.6f} s", trace.left_out,
                                             clock(trace.left_out_until) / microseconds)));
  }
  std::int64_t transfer = 0;
  for (const TraceSpan& span : trace.spans) {
    const double begin = clock(span.begin);
    const double end = std::max(begin, clock(span.end));
    const std::string name = json_text(span.name);
    if (span.track != TraceTrack::transfers) {
      text += fmt::format(R"({{"ph":"X","name":{},"pid":{},"tid":{},"ts":{:.3f},"dur":{:.3f}}},)"
                          "\n",
                          name, rank, span.track == TraceTrack::work ? work_thread : device_thread, begin, end - begin);
      continue;
    }
    std::string arguments = fmt::format("\"bytes\":{}", span.bytes);
    arguments += span.to >= 0 ? fmt::format(",\"to\":{}", span.to) : "";
    arguments += span.from >= 0 ? fmt::format(",\"from\":{}", span.from) : "";
    const std::string id = fmt::format("{}.{}", rank, transfer++);
    const std::string of_both =
        fmt::format(R"("cat":"transfer","name":{},"id":"{}","pid":{},"tid":{})", name, id, rank, work_thread);
    text += fmt::format(R"({{"ph":"b",{},"ts":{:.3f},"args":{{{}}}}},)"
                        "\n",
                        of_both, begin, arguments);
    text += fmt::format(R"({{"ph":"e",{},"ts":{:.3f}}},)"
                        "\n",
                        of_both, end);
  }
  text.resize(text.size() - std::string_view(",\n").size());
  return text;
}

void send_text(const Communicator& world, const std::string& text) {
  const auto length = std::ssize(text);
  world.send(std::as_bytes(std::span(&length, 1)), 0, text_tag);
  world.send(std::as_bytes(std::span(text)), 0, text_tag);
}

constexpr std::string_view trace_head = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n";

/// What a trace says of itself at its end.
struct TraceSummary {
  int ranks = 1;
  std::int64_t spans = 0;
  std::int64_t left_out = 0;
  double clock_error = 0;  // s
};

void finish(std::ofstream& stream, PendingFile& file, const std::string& path, const TraceSummary& summary) {
  stream << fmt::format(
      "\n],\"otherData\":{{\"program\":{},\"ranks\":{},\"spans\":{},\"spans_left_out\":{},"
      "\"clock_error_seconds\":{:.9f}}}}}\n",
      json_text(fmt::format("ringworld {}", build_info().version)), summary.ranks, summary.spans, summary.left_out,
      summary.clock_error);
  stream.close();
  if (!stream) {
    throw_cannot_write(path, "the disk is full, or a limit on file sizes was met");
  }
  file.publish();
  log_info(fmt::format(
      "trace of {} spans{} -> {} (open it in ui.perfetto.dev)", summary.spans,
      summary.left_out > 0 ? fmt::format(", {} earlier ones left out (--trace-spans)", summary.left_out) : "", path));
}

std::string receive_text(const Communicator& world, int rank) {
  std::ptrdiff_t length = 0;
  world.receive(std::as_writable_bytes(std::span(&length, 1)), rank, text_tag);
  std::string text(static_cast<std::size_t>(length), '\0');
  world.receive(std::as_writable_bytes(std::span(text)), rank, text_tag);
  return text;
}

}  // namespace

void TraceFile::begin(const std::string& path, std::int64_t most_spans) {
  if (path.empty() || path == path_) {
    return;
  }
  on_every_rank(world_, [&] {
    require_input(path_.empty(),
                  fmt::format("--trace {}: the job is traced to '{}' already; a job has one trace", path, path_));
  });
  on_root(world_, [&] {
    static_cast<void>(writable_target(path));
    lock_ = OutputLock::acquire(path);
    static_cast<void>(PendingFile(path));  // the folder takes files
  });
  path_ = path;
  most_spans_ = most_spans;
  if (!are_ranks_simulated()) {  // whose clock is one
    offset_ = measure_clock_offset(world_, now_seconds);
  }
  begin_ = now_seconds();
  zero_ = begin_ + offset_.seconds;
  world_.broadcast(std::as_writable_bytes(std::span(&zero_, 1)), 0);
  start_trace(static_cast<std::size_t>(std::max<std::int64_t>(1, most_spans / world_.size())));
}

void TraceFile::write() {
  // Emptied: there is one attempt, whatever comes of it.
  const std::string path = std::exchange(path_, {});
  if (path.empty()) {
    return;
  }
  DeviceActivity().sample();  // what the device has passed since someone asked
  const double end = now_seconds();
  const Trace trace = take_trace();
  const ClockOffset at_end = are_ranks_simulated() ? ClockOffset{} : measure_clock_offset(world_, now_seconds);
  const std::string mine = events_of(trace, world_.rank(), ClockMap(offset_, begin_, at_end, end, zero_));
  std::array<std::int64_t, 2> counts{std::ssize(trace.spans), trace.left_out};
  world_.all_reduce(std::span<std::int64_t>(counts), Reduction::sum);
  const double clock_error = world_.all_reduce(std::max(offset_.error, at_end.error), Reduction::max);
  if (!world_.is_root()) {
    send_text(world_, mine);
  }
  on_root(world_, [&] {
    std::optional<Error> failed;
    std::optional<PendingFile> file;
    std::ofstream stream;
    try {
      file.emplace(path);
      stream.open(file->temporary(), std::ios::binary);
    } catch (const Error& error) {
      failed = error;  // thrown when the texts have been taken: the other ranks wait for that
    }
    stream << trace_head << mine;
    for (int rank = 1; rank < world_.size(); ++rank) {
      stream << ",\n" << receive_text(world_, rank);
    }
    if (failed.has_value()) {
      throw Error(*failed);
    }
    finish(stream, *file, path,
           {.ranks = world_.size(), .spans = counts[0], .left_out = counts[1], .clock_error = clock_error});
  });
}

void TraceFile::write_alone() {
  std::string path = std::exchange(path_, {});
  if (path.empty()) {
    return;
  }
  path += fmt::format(".rank{}", world_.rank());
  const Trace trace = take_trace();
  PendingFile file(path);
  std::ofstream stream(file.temporary(), std::ios::binary);
  stream << trace_head << events_of(trace, world_.rank(), ClockMap(offset_, begin_, offset_, now_seconds(), zero_));
  finish(stream, file, path,
         {.ranks = 1, .spans = std::ssize(trace.spans), .left_out = trace.left_out, .clock_error = offset_.error});
}

}  // namespace ringworld
