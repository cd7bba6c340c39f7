/// @file  `ringworld sweep`: a grid of ring sizes, context lengths and lists of stages over the other verbs, in one
/// record.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <map>

#include "comm/stop_agreement.hpp"
#include "core/activity.hpp"
#include "core/clock.hpp"
#include "core/log.hpp"
#include "experiments/common/figures_of_merit.hpp"
#include "experiments/common/job.hpp"
#include "experiments/common/job_files.hpp"
#include "experiments/common/progress.hpp"
#include "experiments/common/run_record.hpp"
#include "experiments/common/toml_table.hpp"
#include "experiments/sweep/grid.hpp"
#include "experiments/sweep/record_merge.hpp"
#include "experiments/sweep/rows.hpp"
#include "io/console_table.hpp"
#include "io/csv_table.hpp"
#include "io/record_file.hpp"

namespace ringworld {
namespace {

constexpr const char* description =
    "Runs the other verbs over ring sizes, schedules, context lengths and lists of stages, and brings their rows into "
    "one "
    "record.\n"
    "Each run has a record of its own below OUTPUT.parts/ and resumes it: a sweep that was killed loses nothing.";

/// The row of a run before it runs: its keys, and where it comes from.
SweepPointRow describe_run(const VerbRun& verb_run) {
  SweepPointRow row;
  row.verb = std::string_view(verb_run.verb);
  row.ranks = verb_run.ranks;
  row.configuration = std::string_view(verb_run.configuration);
  row.arguments = std::string_view(fmt::format("{}", fmt::join(verb_run.arguments, " ")));
  row.part = std::string_view(verb_run.part.string());
  row.question = std::string_view(verb_run.question);
  return row;
}

/// Adds the row of a run and, when it came to its end, its rows. What a signal cut short is not done: its own record goes
/// on where it stopped.
void add_run(RunRecord& record, const VerbRun& verb_run, SweepPointRow row) {
  record.write([&] {
    if (row.exit_code == stopped_exit_code) {
      return;
    }
    if (row.exit_code <= 1 && std::filesystem::exists(verb_run.part)) {
      row.rows = merge_record(record, RecordFile::resume(verb_run.part));
    }
    record.append(row);
  });
}

/// A part may have a `--timeout` of its own; what comes after it has the sweep's again.
class LimitOfParts {
 public:
  explicit LimitOfParts(Watchdog& watchdog) : watchdog_(watchdog), limit_(watchdog.limit()) {}
  LimitOfParts(const LimitOfParts&) = delete;
  LimitOfParts& operator=(const LimitOfParts&) = delete;
  ~LimitOfParts() { watchdog_.watch(limit_); }

 private:
  Watchdog& watchdog_;
  double limit_;
};

/// Runs one verb; an error that all ranks met is its result, any other ends the job.
std::int64_t run_verb(const Communicator& ring, const VerbRun& verb_run, bool retries_failed, const Job& sweep,
                      SweepPointRow& row) {
  std::vector<std::string> command_line{"ringworld", verb_run.verb};
  command_line.insert(command_line.end(), verb_run.arguments.begin(), verb_run.arguments.end());
  if (retries_failed && verb_run.verb != "train") {
    command_line.emplace_back("--retry-failed");
  }
  const Job job{.world = ring,
                .arguments = {command_line.begin() + 2, command_line.end()},
                .command_line = command_line,
                .watchdog = sweep.watchdog,
                .trace = sweep.trace};
  const Phase phase = Phase::named(fmt::format("{} on {} ranks", verb_run.verb, verb_run.ranks));
  const LimitOfParts limit(sweep.watchdog);
  try {
    const int code = verb_run.verb == "attention" ? run_attention(job)
                     : verb_run.verb == "train"   ? run_train(job)
                                                  : run_needle(job);
    if (code == 0) {
      conclude(row, Outcome::ok);
    } else {
      conclude(row, Outcome::failed_check, "a check failed, or nothing could be measured; see the rows of the verb");
    }
    return code;
  } catch (const Error& error) {
    if (!error.is_collective() && ring.size() > 1) {
      throw;
    }
    conclude(row, outcome_of(error.kind()), error.what());
    return error.exit_code();
  }
}

/// A sweep has lengths, ring sizes and a record of its own: what the file says of them would go unheard.
void warn_of_own_keys(const std::string& attention_config) {
  if (attention_config.empty()) {
    return;
  }
  const toml::table table = parse_toml_file(attention_config);
  for (const std::string_view key : {"context_length", "ranks", "output", "resume"}) {
    if (table.contains(key)) {
      log_warning(fmt::format("{}: {} has no effect in a sweep, which goes by its own flag or key of this name",
                              attention_config, key));
    }
  }
}

}  // namespace

int run_sweep(const Job& job) {
  SweepGridOptions values;
  Options options("sweep", description);
  declare(options, values);
  if (!parse_options(job, options)) {
    return 0;
  }
  const Communicator& world = job.world;
  std::vector<JobFile> reads = job_files("--stages", values.stages);
  reads.push_back({.flag = "--attention-config", .path = values.attention_config});
  reads.push_back({.flag = "--needle-config", .path = values.needle_config});
  const JobFiles files(job, std::move(reads), {{.flag = "--output", .path = values.output}});
  VerbRuns grid;
  on_every_rank(world, [&] { grid = make_verb_runs(values, world.size()); });
  const std::vector<VerbRun>& runs = grid.runs;
  if (grid.left_out > 0 && world.is_root()) {
    log_info(fmt::format("{} runs are left out; the first: {}", grid.left_out, grid.first_of_left_out));
  }
  on_root(world, [&] { warn_of_own_keys(values.attention_config); });
  RunRecord record(job, {.output = values.output,
                         .is_resumed = values.resume,
                         .retries_failed = values.retry_failed,
                         .configuration = options.to_toml()});
  on_root(world, [&] { std::filesystem::create_directories(values.output + ".parts"); });

  std::map<std::int64_t, Communicator> rings;
  SweepProgress progress(std::ssize(runs), world.is_root());
  bool is_stopped = false;
  for (const VerbRun& verb_run : runs) {
    if (is_stop_wanted(world)) {
      is_stopped = true;
      break;
    }
    SweepPointRow row = describe_run(verb_run);
    if (record.holds(row) &&
        !(values.retry_failed && record.ask_root([&] { return has_failed_points(verb_run.part); }))) {
      progress.skip();
      continue;
    }
    progress.begin();
    const auto [ring, is_new] = rings.try_emplace(verb_run.ranks);
    if (is_new) {
      ring->second = world.split(world.rank() < verb_run.ranks ? 0 : -1, world.rank());
    }
    if (!ring->second.is_null()) {
      const double start = wall_seconds();
      row.exit_code = run_verb(ring->second, verb_run, values.retry_failed, job, row);
      row.seconds = ring->second.all_reduce(wall_seconds() - start, Reduction::max);
      is_stopped = row.exit_code == stopped_exit_code;
    }
    // Ranks outside the ring must not spin: they would take the cores of those that compute.
    world.barrier_asleep();
    add_run(record, verb_run, row);
    progress.advance(
        fmt::format("{} on {} ranks: {}", verb_run.verb, verb_run.ranks,
                    row.valid ? fmt::format("{}s", with_si_prefix(row.seconds)) : std::string(row.reason.view())));
  }
  record.finish();
  std::int64_t failed = 0;
  on_root(world, [&] {
    const std::vector<SweepPointRow>& points = record.rows<SweepPointRow>();
    const auto is_well = [&](const VerbRun& verb_run) {
      const SweepPointRow* const row = record.find(describe_run(verb_run));
      return row != nullptr && row->valid;
    };
    failed = std::ranges::all_of(runs, is_well) ? 0 : 1;
    constexpr std::array<std::string_view, 6> columns{"verb", "ranks", "configuration", "rows", "seconds", "exit_code"};
    fmt::print("{}", text_table(std::span<const SweepPointRow>(points), columns, values.csv));
    const auto well = std::ranges::count_if(points, &SweepPointRow::valid);
    fmt::print("{} runs, {} ended well -> {}\n", points.size(), well, values.output);
    const FigureOfMerit figure{.name = "sweep_runs",
                               .value = static_cast<double>(well),
                               .unit = "run",
                               .keys = {{"wanted", fmt::format("{}", runs.size())}},
                               .is_valid = failed == 0};
    print_figures(std::span(&figure, 1));
  });
  if (world.all_reduce(is_stopped ? 1.0 : 0.0, Reduction::max) > 0) {
    return stopped_early(job, fmt::format("--resume goes on in {}", values.output));
  }
  return world.all_reduce(failed, Reduction::max) == 0 ? 0 : 1;
}

}  // namespace ringworld
