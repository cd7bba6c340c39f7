#pragma once
/// @file  The row that `ringworld info --links` records, and predictions read.

#include <cstdint>

#include "io/row.hpp"

namespace ringworld {

/// One transfer between all ranks, of one length.
struct LinkRow {
  static constexpr std::string_view path = "/links";
  static constexpr std::string_view meaning =
      "one transfer between all ranks at one length; times are of the slowest rank. Lengths and bandwidths are those "
      "of "
      "NVIDIA's nccl-tests";

  FixedString<16> operation;
  std::int64_t bytes = 0;
  std::int64_t ranks = 0;
  std::int64_t nodes = 0;
  FixedString<16> backend;
  FixedString<16> memory;
  FixedString<16> transport;
  bool simulated = false;
  FixedString<48> platform;
  FixedString<24> platform_digest;
  std::int64_t repeats = 0;
  std::int64_t repeats_done = 0;
  std::int64_t batch = 0;
  double seconds = 0;
  double seconds_min = 0;
  double seconds_max = 0;
  double algorithm_bandwidth = 0;
  double bus_bandwidth = 0;
  std::int64_t wrong = 0;
  bool valid = false;
  FixedString<16> outcome;
  FixedString<240> reason;
  std::int64_t run = 0;

  static Columns columns() {
    using R = LinkRow;
    return {
        Column{
            "operation", &R::operation, Role::key, "",
            "hop: to the next rank; two_way_hop: half to the next and half to the previous rank at once; all_gather, "
            "reduce_scatter, all_to_all, broadcast or reduce"},
        Column{"bytes", &R::bytes, Role::key, "B",
               "of hops: what a rank sends; of an all_gather: what a rank has in the end; of reduce_scatter and "
               "all_to_all: what it has in the beginning; of broadcast and reduce: the vector"},
        Column{"ranks", &R::ranks, Role::key, "rank", "all of the job (P)"},
        Column{"nodes", &R::nodes, Role::key, "", "nodes that they are on"},
        Column{"backend", &R::backend, Role::key, "", "backend whose device's memory was moved, by name"},
        Column{"memory", &R::memory, Role::key, "", "where the blocks lie"},
        Column{"transport", &R::transport, Role::key, "", "what carried them, by name; mpi for host memory"},
        Column{"simulated", &R::simulated, Role::key, "",
               "whether the memory is that of a backend that computes nothing; contents are not checked then"},
        Column{"platform", &R::platform, Role::key, "",
               "network of simulated ranks (scripts/simulate.sh); empty where ranks are processes, with real messages"},
        Column{"platform_digest", &R::platform_digest, Role::key, "", "digest of its file"},
        Column{"repeats", &R::repeats, Role::key, "", "measurements asked for; what takes long stops earlier"},
        Column{"repeats_done", &R::repeats_done, Role::measure, "", "measurements made"},
        Column{"batch", &R::batch, Role::measure, "",
               "transfers one after another in a measurement, which is their time / batch: more than 1 where they are "
               "short"},
        Column{"seconds", &R::seconds, Role::measure, "s", "median time of a transfer"},
        Column{"seconds_min", &R::seconds_min, Role::measure, "s", "shortest"},
        Column{"seconds_max", &R::seconds_max, Role::measure, "s", "longest"},
        Column{"algorithm_bandwidth", &R::algorithm_bandwidth, Role::measure, "B/s", "bytes / seconds"},
        Column{
            "bus_bandwidth", &R::bus_bandwidth, Role::measure, "B/s",
            "what a link carried: algorithm_bandwidth, for all_gather, reduce_scatter and all_to_all times (P - 1) / "
            "P"},
        Column{
            "wrong", &R::wrong, Role::measure, "",
            "bytes (of reductions: floats) that arrived wrong, over all ranks, in one more transfer of known contents"},
        Column{"valid", &R::valid, Role::verdict, "", "whether it was measured and nothing was wrong"},
        Column{"outcome", &R::outcome, Role::verdict, "",
               "ok, failed_check, out_of_memory, timeout, interrupted or bad_input"},
        Column{"reason", &R::reason, Role::verdict, "", "why the row is not valid; empty when it is"},
        Column{"run", &R::run, Role::origin, "",
               "0 for the run that started the record, n for the n-th that resumed it (/provenance)"}};
  }
};

}  // namespace ringworld
