/// @file  The program: `ringworld VERB [FLAGS]`, alone or under mpirun or srun.

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <string_view>

#include "comm/environment.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/spelling.hpp"
#include "experiments/common/job.hpp"

namespace ringworld {
namespace {

struct Verb {
  std::string_view name;
  std::string_view summary;
  int (*run)(const Job&);
};

constexpr std::array<Verb, 8> verbs{{
    {"info", "what this build and this machine can do: backends, devices, measured peaks", &run_info},
    {"attention", "sweeps ring attention over context lengths, ring sizes and layouts; writes an HDF5 record",
     &run_attention},
    {"train", "trains a model through stages of growing context; checkpoints, resumes, plans (--dry-run)", &run_train},
    {"verify", "runs ring attention on tensors of yours, to check it against another framework", &run_verify},
    {"needle", "asks a checkpoint for needles over context lengths and depths, one or several of them", &run_needle},
    {"generate", "continues a text greedily, its key/value cache sharded over the ring", &run_generate},
    {"sweep", "runs a grid of the other verbs over ring sizes, context lengths and stage schedules", &run_sweep},
    {"score", "runs a checkpoint on tokens of yours: losses, logits, gradients", &run_score},
}};

std::string usage() {
  std::string text = "Usage: ringworld VERB [FLAGS]      (ringworld VERB --help shows a verb's flags)\n\n";
  for (const Verb& verb : verbs) {
    text += fmt::format("  {:<10} {}\n", verb.name, verb.summary);
  }
  return text;
}

int dispatch(const Communicator& world, const std::vector<std::string>& command_line) {
  const std::string verb_name = command_line.size() > 1 ? command_line[1] : "";
  if (verb_name == "--help" || verb_name == "-h") {
    if (world.is_root()) {
      fmt::print("{}", usage());
    }
    return 0;
  }
  std::vector<std::string_view> names;
  for (const Verb& verb : verbs) {
    if (verb.name == verb_name) {
      return verb.run(
          {.world = world, .arguments = {command_line.begin() + 2, command_line.end()}, .command_line = command_line});
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

/// Runs the program and turns errors into an exit code: one line from one rank when all ranks met the same error,
/// else a line from the rank that met it and the end of the job, as others may wait for it.
int run(const Communicator& world, const std::vector<std::string>& command_line) {
  try {
    return dispatch(world, command_line);
  } catch (const Error& error) {
    if (error.is_collective() || world.size() == 1) {
      if (world.is_root()) {
        log_error(error.what());
      }
      return error.exit_code();
    }
    log_error(fmt::format("rank {}: {} ({}:{})", world.rank(), error.what(), error.where().file_name(),
                          error.where().line()));
    Environment::abort(error.exit_code());
  } catch (const std::exception& error) {
    log_error(fmt::format("rank {}: {}", world.rank(), error.what()));
    Environment::abort(1);
  }
}

}  // namespace
}  // namespace ringworld

int main(int argc, char** argv) {
  const std::vector<std::string> command_line(argv, argv + argc);
  const ringworld::Environment environment(argc, argv);
  return ringworld::run(ringworld::Communicator::world(), command_line);
}
