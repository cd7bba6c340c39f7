#include "experiments/sweep/grid.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "core/error.hpp"
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
  std::set<std::string> names;
  for (const std::string& stages : values.stages) {
    require_file("--stages", stages);
    const std::string name = std::filesystem::path(stages).stem().string();
    require_input(names.insert(name).second,
                  fmt::format("--stages: two files are called {}; their parts would overwrite each other", name));
  }
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
  options.add("resume", values.resume, "", "continue the record at --output: skip finished points, run the others");
  options.add(
      "retry-failed", values.retry_failed, "",
      "with --resume: also repeat points that failed a check, or ran out of memory or time under the same limits");
  options.add("output", values.output, "", "HDF5 record of all; checkpoints and parts go to OUTPUT.parts/");
  options.allow_config_file();
}

std::vector<VerbRun> make_verb_runs(const SweepGridOptions& values, std::int64_t job_ranks) {
  check(values, job_ranks);
  const std::filesystem::path parts = values.output + ".parts";
  const std::string lengths = fmt::format("{}", fmt::join(values.context_length, ","));
  std::vector<std::int64_t> sizes;
  for (const std::int64_t given : values.ranks) {
    const std::int64_t ranks = given == 0 ? job_ranks : given;
    if (std::ranges::find(sizes, ranks) == sizes.end()) {
      sizes.push_back(ranks);
    }
  }
  std::vector<VerbRun> runs;
  for (const std::int64_t ranks : sizes) {
    const auto add = [&](const std::string& verb, const std::string& name, const std::string& configuration,
                         std::vector<std::string> arguments) {
      const std::filesystem::path part = parts / fmt::format("{}-{}-ranks-{}.h5", verb, name, ranks);
      std::vector<std::string> all;
      if (!configuration.empty()) {
        all = {"--config", configuration};
      }
      all.insert(all.end(), arguments.begin(), arguments.end());
      all.insert(all.end(), {"--output", part.string(), "--resume"});
      // A model is made by the part that trained it, and is the same as long as that part asks the same.
      const std::string earlier = verb == "needle" ? runs.back().question : std::string();
      const std::string question = question_digest(verb, configuration, all, earlier);
      runs.push_back({.verb = verb,
                      .ranks = ranks,
                      .configuration = configuration,
                      .arguments = std::move(all),
                      .part = part,
                      .question = question});
    };
    if (!values.attention_config.empty()) {
      add("attention", std::filesystem::path(values.attention_config).stem().string(), values.attention_config,
          {"--context-length", lengths, "--ranks", fmt::format("{}", ranks)});
    }
    for (const std::string& stages : values.stages) {
      const std::string name = std::filesystem::path(stages).stem().string();
      const std::string checkpoint = (parts / fmt::format("model-{}-ranks-{}.h5", name, ranks)).string();
      add("train", name, stages, {"--checkpoint", checkpoint});
      if (!values.needle_config.empty()) {
        add("needle", name, values.needle_config, {"--checkpoint", checkpoint, "--context-length", lengths});
      }
    }
  }
  return runs;
}

}  // namespace ringworld
