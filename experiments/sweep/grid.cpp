#include "experiments/sweep/grid.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>

#include "core/error.hpp"
#include "core/simulated_ranks.hpp"
#include "experiments/common/configuration_files.hpp"
#include "experiments/common/csv_flag.hpp"
#include "experiments/sweep/question.hpp"

namespace ringworld {
namespace {

void require_file(const char* flag, const std::string& path) {
  require_input(std::filesystem::is_regular_file(path), fmt::format("{} {}: no such file", flag, path));
}

void check(const SweepGridOptions& values, std::int64_t job_ranks) {
  require_input(!values.attention_config.empty() || !values.stages.empty(),
                "nothing to sweep: give --attention-config, --stages or both");
  require_input(values.needle_config.empty() || !values.stages.empty(),
                "--needle-config needs a model: give --stages too");
  require_input(!values.output.empty(), "--output is empty");
  const std::string assumed = values.assumptions.first_given();
  require_input(values.simulate || assumed.empty(), fmt::format("{} is for --simulate", assumed));
  require_input(!values.simulate || (values.attention_config.empty() && values.needle_config.empty()),
                "--simulate is for --stages: leave --attention-config and --needle-config out");
  require_input(
      !values.simulate || !values.assumptions.rates.empty(),
      "--simulate needs --rates: TOML files of measured rates, or FLOP/s of every kernel, as in --rates 1e12");
  for (const std::int64_t ranks : values.ranks) {
    require_input(ranks >= 0 && ranks <= job_ranks,
                  fmt::format("--ranks {}: the job has {} ranks; 1 to all of them, or 0 for all", ranks, job_ranks));
  }
  for (const std::int64_t length : values.context_length) {
    require_input(length >= 1, fmt::format("--context-length: {} must be at least 1", length));
  }
  if (!values.attention_config.empty()) {
    require_file("--attention-config", values.attention_config);
  }
  if (!values.needle_config.empty()) {
    require_file("--needle-config", values.needle_config);
  }
  std::set<std::string> words;
  for (const Assumptions& each : product_of(values.assumptions)) {
    require_input(
        words.insert(word_for(each)).second,
        fmt::format("two of --rates, --mesh or another list are called {}; their parts would overwrite each other",
                    word_for(each)));
  }
  std::set<std::string> names;
  for (const std::string& stages : values.stages) {
    require_file("--stages", stages);
    const std::string name = std::filesystem::path(stages).stem().string();
    require_input(names.insert(name).second,
                  fmt::format("--stages: two files are called {}; their parts would overwrite each other", name));
  }
}

/// Why a file cannot be run by a schedule; nothing when it can, or when it cannot by the plain ring either: then the
/// run itself says what is wrong with the file.
template <class Check>
std::optional<std::string> why_not(const Check& check_run, const std::string& file, const Schedule& schedule,
                                   std::int64_t ranks) {
  const auto reason_of = [&](const Schedule& one) -> std::optional<std::string> {
    try {
      check_run(file, one, ranks);
      return std::nullopt;
    } catch (const Error& error) {
      return fmt::format("{} on {} ranks: {}", file, ranks, error.what());
    }
  };
  std::optional<std::string> reason = reason_of(schedule);
  return reason.has_value() && !reason_of({}).has_value() ? reason : std::nullopt;
}

}  // namespace

void declare(Options& options, SweepGridOptions& values) {
  options.add("ranks", values.ranks, "rank", "ring sizes, each up to the size of the job; 0 = all");
  options.add("context-length", values.context_length, "token",
              "context lengths of attention and of the needles. Those of training are the files' own");
  options.add("attention-config", values.attention_config, "", "TOML of `ringworld attention`; empty: leave it out");
  options.add("stages", values.stages, "", "TOML files of `ringworld train`, each trained on every ring size");
  options.add("needle-config", values.needle_config, "",
              "TOML of `ringworld needle`, for each trained model; empty: do not ask for needles");
  declare(options, values.schedules);
  options.add(
      "simulate", values.simulate, "",
      "simulate one step of every stage of --stages, as `train --backend simulated` does, in place of training");
  declare(options, values.assumptions);
  options.add("resume", values.resume, "", "continue the record at --output: skip finished points, run the others");
  options.add(
      "retry-failed", values.retry_failed, "",
      "with --resume: also repeat points that failed a check, or ran out of memory or time under the same limits");
  options.add("output", values.output, "", "HDF5 record of all; checkpoints and parts go to OUTPUT.parts/");
  declare_csv(options, values.csv);
  options.allow_config_file();
}

VerbRuns make_verb_runs(const SweepGridOptions& values, std::int64_t job_ranks) {
  check(values, job_ranks);
  const std::filesystem::path parts = values.output + ".parts";
  const std::string lengths = fmt::format("{}", fmt::join(values.context_length, ","));
  const std::vector<Schedule> schedules = product_of(values.schedules);
  const std::vector<Assumptions> assumptions = product_of(values.assumptions);
  std::vector<VerbRun> runs;
  UsedValues used;
  const auto add = [&](const std::string& verb, const std::string& name, std::int64_t ranks, const Schedule* schedule,
                       const std::string& configuration, std::vector<std::string> arguments) {
    const std::filesystem::path part = parts / fmt::format("{}-{}-ranks-{}.h5", verb, name, ranks);
    std::vector<std::string> all;
    if (!configuration.empty()) {
      all = {"--config", configuration};
    }
    all.insert(all.end(), arguments.begin(), arguments.end());
    if (schedule != nullptr) {
      std::ranges::copy(flags_of(*schedule), std::back_inserter(all));
    }
    all.insert(all.end(), {"--output", part.string(), "--resume"});
    // A model is made by the part that trained it, and is the same as long as that part asks the same.
    // The network of simulated ranks is named by no flag.
    const std::string earlier = verb == "needle"  ? runs.back().question
                                : values.simulate ? simulated_platform().digest
                                                  : std::string();
    const std::string question = question_digest(verb, configuration, all, earlier);
    runs.push_back({.verb = verb,
                    .ranks = ranks,
                    .configuration = configuration,
                    .arguments = std::move(all),
                    .part = part,
                    .question = question});
  };
  // Whether a file can be run by a schedule; says so to `used`.
  const auto is_taken = [&](const auto& check_run, const std::string& file, const Schedule* schedule,
                            std::int64_t ranks) {
    if (schedule == nullptr) {
      return true;
    }
    UsedValues::Names names = names_of_values(*schedule);
    names.insert(names.end(), {fmt::format("ranks {}", ranks), fmt::format("file {}", file)});
    const std::optional<std::string> reason = why_not(check_run, file, *schedule, ranks);
    if (reason.has_value()) {
      used.leave_out(names, *reason);
      return false;
    }
    used.use(names);
    return true;
  };
  const auto add_runs = [&](std::int64_t ranks, const Schedule* schedule) {
    const auto name_of_part = [&](const std::string& file) {
      const std::string stem = std::filesystem::path(file).stem().string();
      return schedule == nullptr ? stem : fmt::format("{}-{}", stem, word_for(*schedule));
    };
    if (!values.attention_config.empty() && is_taken(&check_attention, values.attention_config, schedule, ranks)) {
      add("attention", name_of_part(values.attention_config), ranks, schedule, values.attention_config,
          {"--context-length", lengths, "--ranks", fmt::format("{}", ranks)});
    }
    for (const std::string& stages : values.stages) {
      const std::string name = name_of_part(stages);
      for (std::size_t index = 0; values.simulate && index < assumptions.size(); ++index) {
        const Assumptions& each = assumptions[index];
        const auto check_run = [&](const std::string& file, const Schedule& one, std::int64_t count) {
          check_train(file, one, count, each.mesh);
        };
        if (is_taken(check_run, stages, schedule, ranks)) {
          add("train", fmt::format("{}-{}", name, word_for(each)), ranks, schedule, stages, flags_of(each));
        }
      }
      const auto check_run = [](const std::string& file, const Schedule& one, std::int64_t count) {
        check_train(file, one, count);
      };
      if (values.simulate || !is_taken(check_run, stages, schedule, ranks)) {
        continue;
      }
      const std::string checkpoint = (parts / fmt::format("model-{}-ranks-{}.h5", name, ranks)).string();
      add("train", name, ranks, schedule, stages, {"--checkpoint", checkpoint});
      if (!values.needle_config.empty()) {
        add("needle", name, ranks, schedule, values.needle_config,
            {"--checkpoint", checkpoint, "--context-length", lengths});
      }
    }
  };
  std::set<std::int64_t> sizes;
  for (const std::int64_t given : values.ranks) {
    const std::int64_t ranks = given == 0 ? job_ranks : given;
    if (!sizes.insert(ranks).second) {
      continue;
    }
    if (schedules.empty()) {
      add_runs(ranks, nullptr);
    }
    for (const Schedule& schedule : schedules) {
      add_runs(ranks, &schedule);
    }
  }
  used.require_all();
  return {.runs = std::move(runs), .left_out = used.left_out(), .first_of_left_out = used.first_of_left_out()};
}

}  // namespace ringworld
