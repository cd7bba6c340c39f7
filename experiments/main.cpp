/// @file  The program: `ringworld VERB [FLAGS]`, alone or under mpirun or srun.

#include <fmt/format.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include "comm/agreement.hpp"
#include "comm/environment.hpp"
#include "comm/launcher.hpp"
#include "comm/watchdog.hpp"
#include "core/activity.hpp"
#include "core/build_info.hpp"
#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/simulated_ranks.hpp"
#include "core/spelling.hpp"
#include "core/standard_streams.hpp"
#include "core/stop_request.hpp"
#include "device/profiler_regions.hpp"
#include "experiments/common/job.hpp"

namespace ringworld {
namespace {

struct Verb {
  std::string_view name;
  std::string_view summary;
  int (*run)(const Job&);
};

constexpr std::array<Verb, 13> verbs{{
    {"info", "what this build and this machine can do: backends, devices, measured peaks", &run_info},
    {"check", "proves on this machine that every exchange is exact: the first thing to run on a new one", &run_check},
    {"attention", "sweeps ring attention over context lengths, ring sizes and layouts; writes an HDF5 record",
     &run_attention},
    {"official", "measures one fixed problem, and rates this machine by it: small, medium or large", &run_official},
    {"train", "trains a model through stages of growing context; checkpoints, resumes, plans (--dry-run)", &run_train},
    {"verify", "runs ring attention on tensors of yours, to check it against another framework", &run_verify},
    {"needle", "asks a checkpoint for needles over context lengths and depths, one or several of them", &run_needle},
    {"evaluate", "asks a world model about images and videos, and for them; hides digits in hours of video",
     &run_evaluate},
    {"generate", "answers text, an image or a video with any of them, its key/value cache sharded over the ring",
     &run_generate},
    {"sweep", "runs a grid of the other verbs over ring sizes, context lengths and stage schedules", &run_sweep},
    {"tokenize", "turns pictures and videos into codes of a VQGAN in an HDF5 file, and back", &run_tokenize},
    {"convert", "writes weights in another format: HDF5, or a folder of safetensors that transformers loads",
     &run_convert},
    {"score", "runs a checkpoint on tokens of yours: losses, logits, gradients", &run_score},
}};

std::string usage() {
  std::string text =
      "Usage: ringworld VERB [FLAGS]      (ringworld VERB --help shows a verb's flags)\n"
      "       ringworld --version\n\n";
  for (const Verb& verb : verbs) {
    text += fmt::format("  {:<10} {}\n", verb.name, verb.summary);
  }
  text += fmt::format(
      "\nExit codes: 0 all right, 1 a check failed, 2 bad input, {} no progress for --timeout seconds, {} stopped "
      "early\n"
      "by SIGTERM, SIGUSR1, SIGUSR2, SIGINT, SIGHUP or SIGXCPU with all that was done written (resume it).\n",
      no_progress_exit_code, stopped_exit_code);
  return text;
}

/// Every rank must run the same program with the same arguments: ranks that do not would wait for each other for ever.
void require_same_task(const Communicator& world, const std::vector<std::string>& command_line) {
  constexpr std::size_t most_shown = 400;
  const BuildInfo& build = build_info();
  const std::string program = fmt::format("version {} of revision {}{}", build.version, build.git_revision,
                                          build.git_is_dirty ? ", changed" : "");
  Digest arguments;
  std::string shown;
  for (std::size_t index = 1; index < command_line.size(); ++index) {
    arguments.add(static_cast<std::int64_t>(command_line[index].size()));
    arguments.add(command_line[index]);
    shown += (shown.empty() ? "" : " ") + command_line[index];
  }
  if (shown.size() > most_shown) {
    shown = shown.substr(0, most_shown) + " ...";
  }
  const std::array facts{
      RankFact{.name = "the program", .digest = digest_of(program), .description = program},
      RankFact{.name = "the arguments", .digest = arguments.value(), .description = fmt::format("'{}'", shown)}};
  require_agreement(world, facts);
}

/// Which program this is, for people and for reports of faults.
std::string version_text() {
  const BuildInfo& build = build_info();
  return fmt::format("ringworld {} ({}{})\nbackends {}\n{} {}\n{}\n", build.version, build.git_revision,
                     build.git_is_dirty ? ", changed" : "", build.enabled_backends, build.compiler, build.build_type,
                     build.library_versions);
}

int dispatch(const Communicator& world, Watchdog& watchdog, TraceFile& trace,
             const std::vector<std::string>& command_line) {
  require_same_task(world, command_line);
  const std::string verb_name = command_line.size() > 1 ? command_line[1] : "";
  if (verb_name == "--help" || verb_name == "-h") {
    if (world.is_root()) {
      fmt::print("{}", usage());
    }
    return 0;
  }
  if (verb_name == "--version" || verb_name == "-V") {
    if (world.is_root()) {
      fmt::print("{}", version_text());
    }
    return 0;
  }
  std::vector<std::string_view> names;
  for (const Verb& verb : verbs) {
    if (verb.name == verb_name) {
      const Phase phase = Phase::named(verb_name);
      return verb.run({.world = world,
                       .arguments = {command_line.begin() + 2, command_line.end()},
                       .command_line = command_line,
                       .watchdog = watchdog,
                       .trace = trace});
    }
    names.push_back(verb.name);
  }
  on_every_rank(world, [&] {
    require_input(!verb_name.empty(),
                  fmt::format("no verb given; choose one of {} (ringworld --help explains them)", join_names(names)));
    throw_unknown_name("verb", verb_name, names);
  });
  return 2;
}

/// Keeps what was traced up to an error that has been told. A trace that cannot be written is worth a line only.
void keep_trace(TraceFile& trace, bool is_alone, bool speaks) {
  try {
    if (is_alone) {
      trace.write_alone();
    } else {
      trace.write();
    }
  } catch (const std::exception& error) {
    if (speaks) {
      log_warning(error.what());
    }
  }
}

/// Runs the program and turns errors into an exit code: one line from one rank when all ranks met the same error,
/// else a line from the rank that met it and the end of the job, as others may wait for it.
int run(const Communicator& world, const std::vector<std::string>& command_line) {
  Watchdog watchdog(world);
  TraceFile trace(world);
  try {
    const int code = dispatch(world, watchdog, trace, command_line);
    trace.write();
    return code;
  } catch (const Error& error) {
    if (error.is_collective() || world.size() == 1) {
      if (world.is_root()) {
        log_error(error.what());
      }
      // Of a job that was refused the trace would say nothing, and would replace that of the job before.
      if (error.kind() != ErrorKind::bad_input) {
        keep_trace(trace, false, world.is_root());
      }
      return error.exit_code();
    }
    log_error(fmt::format("rank {}: {} ({}:{})", world.rank(), error.what(), error.where().file_name(),
                          error.where().line()));
    keep_trace(trace, true, true);
    Environment::abort(error.exit_code());
  } catch (const std::exception& error) {
    log_error(fmt::format("rank {}: {}", world.rank(), error.what()));
    keep_trace(trace, true, true);
    Environment::abort(1);
  }
}

/// The exit code tells how the run ended; that its last words were lost is worth a line.
void warn_of_lost_output() {
  if (const int error = standard_output_error(); error != 0 && error != EPIPE) {
    log_warning(fmt::format("standard output could not be written ({}): what the run printed is not whole",
                            std::generic_category().message(error)));
  }
}

}  // namespace
}  // namespace ringworld

int main(int argc, char** argv) {
  ringworld::outlive_standard_streams();
  const std::vector<std::string> command_line(argv, argv + argc);
  const ringworld::Environment environment(argc, argv);
  if (!ringworld::are_ranks_simulated()) {  // else it is one process: a signal ends it, as any other
    ringworld::catch_stop_signals();
  }
  ringworld::show_regions_to_profilers();
  const ringworld::Communicator world = ringworld::Communicator::world();
  if (const auto mismatch = ringworld::launcher_mismatch(world.size(), ringworld::Environment::library_version(),
                                                         [](const char* name) { return std::getenv(name); })) {
    if (mismatch->speaks) {
      ringworld::log_error(mismatch->message);
    }
    return 2;
  }
  const int code = ringworld::run(world, command_line);
  ringworld::warn_of_lost_output();
  return code;
}
