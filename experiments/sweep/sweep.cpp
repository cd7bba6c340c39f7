/// @file  `ringworld sweep`: a grid of ring sizes, context lengths and stage schedules over the other verbs, in one
/// record.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>

#include "comm/environment.hpp"
#include "core/log.hpp"
#include "experiments/attention/rows.hpp"
#include "experiments/common/job.hpp"
#include "experiments/common/progress.hpp"
#include "experiments/sweep/grid.hpp"
#include "experiments/sweep/rows.hpp"
#include "io/console_table.hpp"
#include "io/evaluation_rows.hpp"
#include "io/provenance.hpp"
#include "io/record_file.hpp"
#include "io/training_rows.hpp"
#include "perf/clock.hpp"

namespace ringworld {
namespace {

constexpr const char* description =
    "Runs the other verbs over ring sizes, context lengths and stage schedules, and brings their rows into one "
    "record.\n"
    "Each run has a record of its own below OUTPUT.parts/ and resumes it: a sweep that was killed loses nothing.";

/// The record, on the root; the other ranks hold none.
class SweepFile {
 public:
  SweepFile(const SweepGridOptions& values, const RunDescription& run)
      : record_(values.resume && std::filesystem::exists(values.output) ? RecordFile::resume(values.output)
                                                                        : RecordFile::create(values.output)),
        points_(record_.read<SweepPointRow>()) {
    for (const RankRow& row : record_.read<RankRow>()) {
      run_ = std::max(run_, row.run + 1);
    }
    group_ = begin_provenance(record_, run);
    if (record_.backup().has_value()) {
      log_info(fmt::format("{} existed and is now {}", values.output, record_.backup()->string()));
    }
    record_.commit();
  }

  /// The row of a run that came to its end before, well or with a check that failed; nothing when it has to be run.
  [[nodiscard]] const SweepPointRow* find(const VerbRun& wanted) const {
    const FixedString<240> part(std::string_view(wanted.part.string()));
    const FixedString<240> arguments(std::string_view(fmt::format("{}", fmt::join(wanted.arguments, " "))));
    const auto found = std::ranges::find_if(points_, [&](const SweepPointRow& row) {
      return row.exit_code <= 1 && row.part == part && row.arguments == arguments;
    });
    return found == points_.end() ? nullptr : &*found;
  }

  void add(const VerbRun& verb_run, SweepPointRow row) {
    if (row.exit_code <= 1 && std::filesystem::exists(verb_run.part)) {
      row.rows = take_over(RecordFile::resume(verb_run.part));
    }
    row.run = run_;
    record_.append(row);
    record_.commit();
    points_.push_back(row);
  }

  void finish() {
    end_provenance(record_, group_);
    record_.commit();
  }

  [[nodiscard]] const std::vector<SweepPointRow>& points() const { return points_; }

 private:
  template <RecordRow Row>
  std::int64_t append_rows(const std::vector<Row>& rows) {
    if (!rows.empty()) {
      record_.append_all(std::span<const Row>(rows));
    }
    return std::ssize(rows);
  }
  template <RecordRow Row>
  std::int64_t copy(const RecordFile& part) {
    return append_rows(part.read<Row>());
  }
  /// The same for rows that name rows of /attention by their index.
  template <RecordRow Row>
  std::int64_t copy_shifted(const RecordFile& part, std::int64_t offset) {
    std::vector<Row> rows = part.read<Row>();
    for (Row& row : rows) {
      row.attention_row += offset;
    }
    return append_rows(rows);
  }

  /// Rows taken over from a part's record.
  std::int64_t take_over(const RecordFile& part) {
    const std::int64_t offset = std::ssize(record_.read<AttentionRow>());
    return copy<AttentionRow>(part) + copy_shifted<SampleRow>(part, offset) + copy_shifted<HopRow>(part, offset) +
           copy<TrainingStepRow>(part) + copy<TrainingStageRow>(part) + copy<NeedleCellRow>(part) +
           copy<PerplexityRow>(part);
  }

  RecordFile record_;
  std::vector<SweepPointRow> points_;
  std::int64_t run_ = 0;
  std::string group_;
};

/// Runs one verb; an error that all ranks met is its result, any other ends the job.
std::int64_t run_verb(const Communicator& ring, const VerbRun& verb_run, std::string& reason) {
  std::vector<std::string> command_line{"ringworld", verb_run.verb};
  command_line.insert(command_line.end(), verb_run.arguments.begin(), verb_run.arguments.end());
  const Job job{.world = ring, .arguments = verb_run.arguments, .command_line = command_line};
  try {
    const int code = verb_run.verb == "attention" ? run_attention(job)
                     : verb_run.verb == "train"   ? run_train(job)
                                                  : run_needle(job);
    reason = code == 0 ? "" : "a check failed; see the rows of the verb";
    return code;
  } catch (const Error& error) {
    if (!error.is_collective() && ring.size() > 1) {
      throw;
    }
    reason = error.what();
    return error.exit_code();
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
  std::vector<VerbRun> runs;
  RankRow mine;
  on_every_rank(world, [&] {
    runs = make_verb_runs(values, world.size());
    mine = describe_this_process(world.rank());
  });
  const RunDescription run{.arguments = job.command_line,
                           .configuration = options.to_toml(),
                           .seeds = {},
                           .ranks = world.all_gather(mine),
                           .extra = {{"mpi_library", Environment::library_version()}}};
  std::optional<SweepFile> record;
  on_root(world, [&] {
    record.emplace(values, run);
    std::filesystem::create_directories(values.output + ".parts");
  });

  std::map<std::int64_t, Communicator> rings;
  SweepProgress progress(std::ssize(runs), world.is_root());
  for (const VerbRun& verb_run : runs) {
    std::int64_t is_done = 0;
    on_root(world, [&] { is_done = record->find(verb_run) != nullptr ? 1 : 0; });
    if (world.all_reduce(is_done, Reduction::max) == 1) {
      progress.skip();
      continue;
    }
    const auto [ring, is_new] = rings.try_emplace(verb_run.ranks);
    if (is_new) {
      ring->second = world.split(world.rank() < verb_run.ranks ? 0 : -1, world.rank());
    }
    if (!ring->second.is_null()) {
      SweepPointRow row;
      row.verb = std::string_view(verb_run.verb);
      row.ranks = verb_run.ranks;
      row.configuration = std::string_view(verb_run.configuration);
      row.arguments = std::string_view(fmt::format("{}", fmt::join(verb_run.arguments, " ")));
      row.part = std::string_view(verb_run.part.string());
      std::string reason;
      const double start = now_seconds();
      row.exit_code = run_verb(ring->second, verb_run, reason);
      row.seconds = ring->second.all_reduce(now_seconds() - start, Reduction::max);
      row.valid = row.exit_code == 0;
      row.reason = std::string_view(reason);
      on_root(ring->second, [&] { record->add(verb_run, row); });
      progress.advance(fmt::format("{} on {} ranks: {}", verb_run.verb, verb_run.ranks,
                                   row.valid ? fmt::format("{}s", with_si_prefix(row.seconds)) : reason));
    }
    // Ranks outside the ring must not spin: they would take the cores of those that compute.
    world.barrier_asleep();
  }
  std::int64_t failed = 0;
  on_root(world, [&] {
    record->finish();
    const std::vector<SweepPointRow>& points = record->points();
    const auto is_well = [&](const VerbRun& verb_run) {
      const SweepPointRow* row = record->find(verb_run);
      return row != nullptr && row->valid;
    };
    failed = std::ranges::all_of(runs, is_well) ? 0 : 1;
    constexpr std::array<std::string_view, 6> columns{"verb", "ranks", "configuration", "rows", "seconds", "exit_code"};
    fmt::print("{}", console_table(std::span<const SweepPointRow>(points), columns));
    fmt::print("{} runs, {} ended well -> {}\n", points.size(), std::ranges::count_if(points, &SweepPointRow::valid),
               values.output);
    std::fflush(stdout);
  });
  return world.all_reduce(failed, Reduction::max) == 0 ? 0 : 1;
}

}  // namespace ringworld
