#include "experiments/info/links.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>
#include <set>
#include <span>
#include <vector>

#include "comm/device_choice.hpp"
#include "comm/nodes.hpp"
#include "comm/stop_agreement.hpp"
#include "core/activity.hpp"
#include "core/clock.hpp"
#include "core/last_words.hpp"
#include "core/log.hpp"
#include "core/simulated_ranks.hpp"
#include "experiments/common/cpu_sharing.hpp"
#include "experiments/common/job_files.hpp"
#include "experiments/common/link_rows.hpp"
#include "experiments/common/point_verdicts.hpp"
#include "experiments/common/progress.hpp"
#include "experiments/common/run_record.hpp"
#include "experiments/info/link_operations.hpp"
#include "io/console_table.hpp"
#include "perf/link_fit.hpp"
#include "perf/samples.hpp"

namespace ringworld {
namespace {

/// A measurement lasts at least so long, by a batch of transfers where one is shorter.
constexpr double shortest_measurement = 200e-6;
constexpr std::int64_t largest_batch = 100;
/// After so long, and no fewer than so many repeats, a point is done.
constexpr double long_enough = 2;
constexpr std::int64_t fewest_repeats = 5;

struct LinkPoint {
  LinkOperation operation;
  std::int64_t bytes;
};

/// The longest transfer: a quarter of the memory that is free holds both of its buffers on every rank.
std::int64_t most_bytes(const Communicator& world, DeviceKind memory, std::int64_t wanted) {
  const std::int64_t sharing = ranks_on_device(world, memory);
  const std::int64_t mine = device(memory).available_bytes() / 4 / 2 / sharing;
  return std::min(wanted, world.all_reduce(mine, Reduction::min));
}

/// Seconds of a transfer, one after another `batch` times; the slowest rank counts. Collective.
double time_of(const Communicator& world, LinkOperations& operations, const LinkPoint& point, std::int64_t batch) {
  operations.synchronize();
  world.barrier();
  const double start = now_seconds();
  for (std::int64_t transfer = 0; transfer < batch; ++transfer) {
    operations.run(point.operation, point.bytes);
  }
  operations.synchronize();
  return world.all_reduce(now_seconds() - start, Reduction::max) / static_cast<double>(batch);
}

void measure(const Communicator& world, LinkOperations& operations, const LinkPoint& point, LinkRow& row) {
  // The first two warm up; the second says how many make a measurement.
  static_cast<void>(time_of(world, operations, point, 1));
  const double estimate = time_of(world, operations, point, 1);
  row.batch = std::clamp(static_cast<std::int64_t>(shortest_measurement / estimate), std::int64_t{1}, largest_batch);
  std::vector<double> samples;
  double spent = 0;  // the same on all ranks, as every sample is
  while (std::ssize(samples) < row.repeats && (std::ssize(samples) < fewest_repeats || spent < long_enough)) {
    samples.push_back(time_of(world, operations, point, row.batch));
    spent += samples.back() * static_cast<double>(row.batch);
  }
  const SampleSummary summary = summarize(samples);
  row.repeats_done = std::ssize(samples);
  row.seconds = summary.median;
  row.seconds_min = summary.min;
  row.seconds_max = summary.max;
  row.algorithm_bandwidth = static_cast<double>(point.bytes) / row.seconds;
  row.bus_bandwidth = row.algorithm_bandwidth * bus_factor(point.operation, world.size());
  row.wrong = row.simulated ? 0 : operations.count_wrong(point.operation, point.bytes);
  if (row.wrong == 0) {
    conclude(row, Outcome::ok);
  } else {
    conclude(row, Outcome::failed_check, fmt::format("{} of the values that arrived are wrong", row.wrong));
  }
}

std::string name_of_point(const LinkPoint& point) {
  return fmt::format("{} {}B", name_of(point.operation), with_si_prefix(static_cast<double>(point.bytes)));
}

std::string describe(const LinkPoint& point, const LinkRow& row) {
  return fmt::format("{}: {}s ({} to {}), {}B/s bus{}", name_of_point(point), with_si_prefix(row.seconds),
                     with_si_prefix(row.seconds_min), with_si_prefix(row.seconds_max),
                     with_si_prefix(row.bus_bandwidth),
                     row.wrong == 0 ? std::string() : fmt::format(", {} WRONG", row.wrong));
}

/// Latency and bandwidth of each operation, a line each.
void print_fits(std::span<const LinkRow> rows) {
  fmt::print("Fitted: time = alpha + bytes that cross a link / beta\n");
  for (const LinkOperation operation : all_link_operations) {
    std::vector<LinkSample> samples;
    for (const LinkRow& row : rows) {
      if (row.valid && row.operation.view() == name_of(operation)) {
        samples.push_back({.bytes = row.bus_bandwidth * row.seconds, .seconds = row.seconds});
      }
    }
    if (samples.size() < 2) {
      continue;
    }
    const LinkFit fit = fit_link(samples);
    fmt::print("  {:<14}  alpha {:>7}s  beta {:>7}B/s  ({} lengths, largest error {:.0f} %)\n", name_of(operation),
               with_si_prefix(fit.latency), with_si_prefix(fit.bytes_per_second), samples.size(),
               100 * fit.largest_error);
  }
}

void print_summary(std::span<const LinkRow> rows, const std::string& output) {
  constexpr std::array<std::string_view, 8> columns{
      "operation", "bytes", "seconds", "seconds_min", "seconds_max", "algorithm_bandwidth", "bus_bandwidth", "wrong"};
  fmt::print("{}", console_table(rows, columns));
  if (!rows.empty()) {
    fmt::print("{} ranks on {} node{}, {} memory by {}\n", rows.front().ranks, rows.front().nodes,
               rows.front().nodes == 1 ? "" : "s", rows.front().memory.view(), rows.front().transport.view());
  }
  print_fits(rows);
  fmt::print("{} transfers, {} valid -> {}\n", rows.size(), std::ranges::count_if(rows, &LinkRow::valid), output);
  std::fflush(stdout);
}

}  // namespace

int measure_links(const Job& job, const LinkSettings& settings) {
  on_every_rank(job.world, [&] {
    require_input(job.world.size() > 1, "--links measures transfers between ranks: run under mpirun -n 2 or more");
    require_input(settings.max_bytes >= 8, "--links-max-bytes must be at least 8");
    require_input(settings.repeats > 0, "--links-repeats must be positive");
    require_input(!settings.output.empty(), "--output is empty");
  });
  const Communicator world = job.world.with_transport(settings.transport);
  const DeviceKind memory = device_of(settings.backend);
  const JobFiles files(job, {},
                       {{.flag = "--output", .path = settings.output, .is_read_as_well = settings.is_resumed}});
  static_cast<void>(warn_of_shared_cpus(world, 1));
  LinkRow wanted;
  wanted.ranks = world.size();
  const std::vector<int> nodes = nodes_of(world);
  wanted.nodes = std::ssize(std::set<int>(nodes.begin(), nodes.end()));
  wanted.backend = name_of(settings.backend);
  wanted.memory = name_of(memory);
  wanted.transport = transport_name(world, memory);
  wanted.simulated = !traits_of(settings.backend).computes;
  wanted.platform = std::string_view(simulated_platform().name);
  wanted.platform_digest = std::string_view(simulated_platform().digest);
  wanted.repeats = settings.repeats;
  const std::int64_t most = most_bytes(world, memory, settings.max_bytes);
  if (most < settings.max_bytes && world.is_root()) {
    log_info(fmt::format("lengths end at {}B: a quarter of the free memory holds no more",
                         with_si_prefix(static_cast<double>(most))));
  }
  LinkOperations operations(world, memory, most);
  std::vector<LinkPoint> points;
  for (const LinkOperation operation : all_link_operations) {
    for (const std::int64_t length : link_lengths(most)) {
      const std::int64_t bytes = operations.bytes_of(operation, length);
      if (points.empty() || points.back().operation != operation || points.back().bytes != bytes) {
        points.push_back({.operation = operation, .bytes = bytes});
      }
    }
  }
  const auto row_of = [&](const LinkPoint& point) {
    LinkRow row = wanted;
    row.operation = name_of(point.operation);
    row.bytes = point.bytes;
    return row;
  };

  RunRecord record(job, {.output = settings.output,
                         .is_resumed = settings.is_resumed,
                         .configuration = settings.configuration,
                         .device = std::string(name_of(memory))});
  std::vector<double> work;
  std::ranges::transform(points, std::back_inserter(work),
                         [](const LinkPoint& point) { return static_cast<double>(point.bytes); });
  SweepProgress progress(std::move(work), world.is_root());
  bool is_stopped = false;
  for (const LinkPoint& point : points) {
    is_stopped = is_stop_wanted(world);
    if (is_stopped) {
      break;
    }
    LinkRow row = row_of(point);
    const Phase phase = Phase::named(name_of_point(point));
    if (record.holds(row)) {
      progress.skip();
      continue;
    }
    progress.begin();
    {
      const LastWords words([&record, cut = row](const std::string& reason) mutable {
        conclude(cut, Outcome::interrupted, reason);
        record.add_last_words(cut);
      });
      measure(world, operations, point, row);
    }
    record.add(row);
    progress.advance(describe(point, row));
  }
  record.finish();
  PointVerdicts verdicts;
  on_root(world, [&] {
    std::vector<LinkRow> rows;
    for (const LinkPoint& point : points) {
      const LinkRow* const row = record.find(row_of(point));
      verdicts.count(row == nullptr ? Outcome::interrupted : outcome_of(*row));
      if (row != nullptr) {
        rows.push_back(*row);
      }
    }
    print_summary(rows, settings.output);
    verdicts.print_advice();
  });
  if (is_stopped) {
    return stopped_early(
        job, fmt::format("the transfers that are left are not measured; --resume goes on in {}", settings.output));
  }
  return verdicts.exit_code(world);
}

}  // namespace ringworld
