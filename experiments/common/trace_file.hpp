#pragma once
/// @file  The trace of a job (core/trace.hpp) as one file that ui.perfetto.dev and chrome://tracing open.
///
///   rank 0 on node1   work        [ S=4096 P=2 ring ... [ forward [ ring step 1 of 2 ...
///                     device      [ ring step 1 of 2 on the GPU ]
///                     hop             <=======================>
///   rank 1 on node1   ...
///
/// A rank is a process of the trace, its tracks are threads, and transfers are asynchronous spans beside them. Times are
/// on the clock of rank 0, from the begin of the trace (comm/clock_offset.hpp): offsets are measured at the begin and at
/// the end, and clocks taken to drift evenly in between.
/// Format: "Trace Event Format", Google, 2016 (events M, X, b and e); times in microseconds.

#include <cstdint>
#include <string>

#include "comm/clock_offset.hpp"
#include "comm/communicator.hpp"
#include "core/trace.hpp"
#include "io/output_lock.hpp"

namespace ringworld {

/// A program has one. Off until `begin`.
class TraceFile {
 public:
  /// @param world  all ranks of the job
  explicit TraceFile(Communicator world) : world_(std::move(world)) {}

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::int64_t most_spans() const { return most_spans_; }

  /// Begins the trace, unless `path` is empty or the trace to that file has begun. Collective over the job.
  /// @param most_spans  of all ranks together
  /// @throws Error(bad_input, collective) when the file cannot be written, or a trace to another file has begun
  void begin(const std::string& path, std::int64_t most_spans);

  /// Ends the trace and writes the file, whole or not at all; nothing when none has begun. Rank 0 holds the text of one
  /// rank at a time. Collective over the job.
  /// @throws Error(bad_input, collective) when the file cannot be written
  void write();

  /// The same of this rank alone, into a file whose name ends with ".rank" and its number: for a rank that cannot go on
  /// while others wait for it.
  /// @throws Error(bad_input) when the file cannot be written
  void write_alone();

 private:
  Communicator world_;
  std::string path_;
  std::int64_t most_spans_ = 1'000'000;
  OutputLock lock_;     // on the root
  ClockOffset offset_;  // at the begin
  double begin_ = 0;    // s, of this rank's clock
  double zero_ = 0;     // s, of the root's clock: the begin of the trace
};

}  // namespace ringworld
