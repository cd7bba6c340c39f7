#include "experiments/common/job.hpp"

#include <fmt/format.h>

#include <cstdio>

#include "core/log.hpp"
#include "core/stop_request.hpp"
#include "experiments/common/file_agreement.hpp"

namespace ringworld {

std::optional<std::string> config_path_of(const std::vector<std::string>& arguments) {
  constexpr std::string_view flag = "--config";
  std::optional<std::string> path;
  for (std::size_t index = 0; index < arguments.size(); ++index) {
    const std::string& argument = arguments[index];
    if (argument == flag && index + 1 < arguments.size()) {
      path = arguments[index + 1];
    } else if (argument.starts_with(flag) && argument.substr(flag.size()).starts_with('=')) {
      path = argument.substr(flag.size() + 1);
    }
  }
  return path;
}

bool parse_options(const Job& job, Options& options) {
  if (const auto path = config_path_of(job.arguments)) {
    const NamedFile config{.name = fmt::format("file '{}' (--config)", *path), .path = *path};
    require_same_files(job.world, std::span(&config, 1));
  }
  std::optional<std::string> help;
  options.begin_group(help_group::job);
  const double& limit = options.add_owned(
      "timeout", job.watchdog.limit(), "s",
      fmt::format("longest time without progress of some rank, after which all say what they do and the job ends with "
                  "exit code {}; 0 = no limit",
                  no_progress_exit_code));
  const std::string& trace =
      options.add_owned("trace", job.trace.path(), "",
                        "write what every rank did when, as JSON for ui.perfetto.dev, to this file; empty = no trace");
  const std::int64_t& spans =
      options.add_owned("trace-spans", job.trace.most_spans(), "span",
                        "most spans of a trace, all ranks together; the earliest are left out, and the file says so");
  on_every_rank(job.world, [&] {
    help = options.parse(job.arguments);
    require_input(spans >= 1, fmt::format("--trace-spans: {} must be at least 1", spans));
    require_input(limit >= 0, fmt::format("--timeout: {} must not be negative", limit));
  });
  if (help.has_value() && job.world.is_root()) {
    fmt::print("{}", *help);
    std::fflush(stdout);
  }
  if (!help.has_value()) {
    job.watchdog.watch(limit);
  }
  if (!help.has_value()) {
    job.trace.begin(trace, spans);
  }
  return !help.has_value();
}

int stopped_early(const Job& job, const std::string& what) {
  if (job.world.is_root()) {
    log_info(fmt::format("stopped early by {}: {} (exit code {})", stop_signal_name(), what, stopped_exit_code));
  }
  return stopped_exit_code;
}

}  // namespace ringworld
