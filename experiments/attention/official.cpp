/// @file  `ringworld official`: one problem for all machines, one rating.

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "comm/environment.hpp"
#include "core/error.hpp"
#include "core/stop_request.hpp"
#include "core/text_file.hpp"
#include "experiments/attention/config.hpp"
#include "experiments/attention/official_submission.hpp"
#include "experiments/common/figures_of_merit.hpp"
#include "experiments/common/job.hpp"
#include "experiments/common/job_files.hpp"
#include "experiments/common/run_flags.hpp"
#include "io/pending_file.hpp"
#include "io/record_file.hpp"

namespace ringworld {
namespace {

constexpr const char* description_of_official =
    "Measures one fixed problem: causal attention, forward and backward, of one sequence in bfloat16 over\n"
    "all ranks of the job. Before it is timed, every row of a retrieval probe must be exact; passes are timed\n"
    "until a fixed time has passed. Prints one rating, and writes a submission with machine, binding and digest.\n"
    "--size fixes the problem:\n"
    "  small   4K tokens, 4 heads of 64, 5 s           a laptop or a node\n"
    "  medium  128K tokens, 32 heads of 128, 60 s      a node with GPUs\n"
    "  large   1M tokens, 32 heads of 128, 300 s       a cluster";

enum class OfficialSize : std::uint8_t { small, medium, large };

}  // namespace

template <>
struct Enumerators<OfficialSize> {
  static constexpr std::string_view what = "size";
  static constexpr std::array<std::string_view, 3> names{"small", "medium", "large"};
};

namespace {

struct OfficialProblem {
  std::int64_t context_length = 0;
  std::int64_t heads = 0;
  std::int64_t head_size = 0;
  double least_seconds = 0;
};

/// In the enumerators' order. Ratings of different versions are comparable as long as this table stays as it is.
constexpr std::array<OfficialProblem, 3> official_problems{{
    {.context_length = 4096, .heads = 4, .head_size = 64, .least_seconds = 5},
    {.context_length = 131072, .heads = 32, .head_size = 128, .least_seconds = 60},
    {.context_length = 1048576, .heads = 32, .head_size = 128, .least_seconds = 300},
}};

struct OfficialOptions {
  OfficialOptions() { run.output = "ringworld-official.h5"; }

  OfficialSize size = OfficialSize::small;
  RunFlags run;
  std::string submission = "ringworld-official.json";
  std::string check;
};

void declare(Options& options, OfficialOptions& values) {
  options.add("size", values.size, "", "which problem");
  declare(
      options, values.run,
      {RunFlag::backend, RunFlag::threads, RunFlag::transport, RunFlag::schedule, RunFlag::layout, RunFlag::output});
  options.add("submission", values.submission, "", "the file to hand in; one that is there is renamed");
  options.add("check", values.check, "", "only say whether this submission is as it was written");
}

/// A flag that `attention` has and this verb does not would change the problem.
void refuse_other_problems(const std::vector<std::string>& arguments, const Options& options) {
  SweepOptions of_attention;
  Options known("attention", "");
  declare(known, of_attention);
  for (const std::string& argument : arguments) {
    const std::string name = argument.starts_with("--") ? argument.substr(2, argument.find('=') - 2) : std::string();
    require_input(options.has(name) || !known.has(name),
                  fmt::format("official: --{} belongs to the problem, which --size fixes; ratings would not be "
                              "comparable. Use ringworld attention for problems of your own",
                              name));
  }
}

std::vector<std::string> attention_arguments(const OfficialOptions& values, const OfficialProblem& problem,
                                             double timeout) {
  const Schedule& schedule = values.run.schedule;
  const auto number = [](auto value) { return fmt::format("{}", value); };
  return {"--context-length", number(problem.context_length),
          "--heads",          number(problem.heads),
          "--head-size",      number(problem.head_size),
          "--dtype",          "bfloat16",
          "--pass",           "forward_backward",
          "--ranks",          "0",
          "--least-seconds",  number(problem.least_seconds),
          "--backend",        std::string(name_of(values.run.backend)),
          "--transport",      std::string(name_of(values.run.transport)),
          "--threads",        number(values.run.threads),
          "--schedule",       std::string(name_of(schedule.kind)),
          "--ulysses",        number(schedule.ulysses),
          "--window",         number(schedule.window),
          "--head-groups",    number(schedule.head_groups),
          "--trim",           schedule.is_trimmed ? "true" : "false",
          "--layout",         std::string(name_of(values.run.layout)),
          "--timeout",        number(timeout),
          "--output",         values.run.output};
}

/// What the record says of its last run.
struct OfficialResult {
  AttentionRow row;
  std::vector<RankRow> ranks;
  double measured_seconds = 0;
};

OfficialResult read_result(const std::string& path) {
  const RecordFile record = RecordFile::resume(path);
  const std::vector<AttentionRow> rows = record.read<AttentionRow>();
  require(rows.size() == 1, "an official run has one point");
  OfficialResult result{.row = rows.front(), .ranks = record.read<RankRow>()};
  std::vector<double> slowest(static_cast<std::size_t>(result.row.repeats_done));
  for (const SampleRow& sample : record.read<SampleRow>()) {
    if (sample.repeat >= 0) {
      double& seconds = slowest.at(static_cast<std::size_t>(sample.repeat));
      seconds = std::max(seconds, sample.seconds);
    }
  }
  result.measured_seconds = std::accumulate(slowest.begin(), slowest.end(), 0.0);
  return result;
}

void write_submission(const std::string& path, const std::string& text) {
  const auto kept = back_up_file(path);
  PendingFile file(path);
  file.write(std::as_bytes(std::span(text)));
  file.publish();
  if (kept.has_value()) {
    fmt::print("{} existed and is now {}\n", path, kept->string());
  }
}

FigureOfMerit figure_of(const Submission& submission) {
  const AttentionRow& row = submission.row;
  return {.name = "official_rating",
          .value = rating_of(row),
          .unit = "FLOP/s",
          .keys = {{"size", submission.size},
                   {"ranks", fmt::format("{}", row.ranks)},
                   {"threads", fmt::format("{}", row.threads)},
                   {"backend", std::string(row.backend.view())},
                   {"tokens_per_second", fmt::format("{:.6g}", row.tokens_per_second)},
                   {"measured_seconds", fmt::format("{:.3g}", submission.measured_seconds)},
                   {"repeats", fmt::format("{}", row.repeats_done)},
                   {"noisy", row.noisy ? "yes" : "no"},
                   {"joules", row.energy > 0 ? fmt::format("{:.6g}", row.energy) : "not available"}},
          .is_valid = fault_of(submission).empty()};
}

int check_submission(const Job& job, const std::string& path) {
  std::int64_t is_right = 0;
  on_root(job.world, [&] {
    is_right = has_right_digest(read_text_file(path), path) ? 1 : 0;
    fmt::print("{}: {}\n", path, is_right == 1 ? "as it was written" : "changed since it was written");
    std::fflush(stdout);
  });
  return job.world.all_reduce(is_right, Reduction::max) == 1 ? 0 : 1;
}

}  // namespace

int run_official(const Job& job) {
  OfficialOptions values;
  Options options("official", description_of_official);
  declare(options, values);
  on_every_rank(job.world, [&] { refuse_other_problems(job.arguments, options); });
  if (!parse_options(job, options)) {
    return 0;
  }
  if (!values.check.empty()) {
    return check_submission(job, values.check);
  }
  const OfficialProblem& problem = official_problems[static_cast<std::size_t>(values.size)];
  const JobFiles files(
      job, {}, {{.flag = "--output", .path = values.run.output}, {.flag = "--submission", .path = values.submission}});
  const Job measurement{.world = job.world,
                        .arguments = attention_arguments(values, problem, job.watchdog.limit()),
                        .command_line = job.command_line,
                        .watchdog = job.watchdog,
                        .trace = job.trace};
  if (const int code = run_attention(measurement); code == stopped_exit_code) {
    return code;
  }
  std::int64_t is_valid = 0;
  on_root(job.world, [&] {
    const OfficialResult result = read_result(values.run.output);
    const Submission submission{.size = std::string(name_of(values.size)),
                                .row = result.row,
                                .ranks = result.ranks,
                                .mpi_library = Environment::library_version(),
                                .measured_seconds = result.measured_seconds,
                                .least_seconds = problem.least_seconds};
    write_submission(values.submission, to_json(submission));
    const std::string fault = fault_of(submission);
    is_valid = fault.empty() ? 1 : 0;
    fmt::print("{} -> {}\n", fault.empty() ? "valid" : "not valid: " + fault, values.submission);
    const FigureOfMerit figure = figure_of(submission);
    print_figures(std::span(&figure, 1));
  });
  return job.world.all_reduce(is_valid, Reduction::max) == 1 ? 0 : 1;
}

}  // namespace ringworld
