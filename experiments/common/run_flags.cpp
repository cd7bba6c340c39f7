#include "experiments/common/run_flags.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "sequence/schedule_check.hpp"

namespace ringworld {
namespace {

/// The flags that give this schedule, without those that are at their defaults.
std::string flags_of(const Schedule& schedule) {
  std::string text = fmt::format("--schedule {}", name_of(schedule.kind));
  const Schedule plain;
  if (schedule.ulysses != plain.ulysses) {
    text += fmt::format(" --ulysses {}", schedule.ulysses);
  }
  if (schedule.window != plain.window) {
    text += fmt::format(" --window {}", schedule.window);
  }
  if (schedule.head_groups != plain.head_groups) {
    text += fmt::format(" --head-groups {}", schedule.head_groups);
  }
  if (schedule.is_trimmed) {
    text += " --trim";
  }
  return text;
}

}  // namespace

FlagText text_of(RunFlag flag) {
  switch (flag) {
    case RunFlag::schedule:
      return {"schedule", "", "how attention moves blocks between the ranks of a sequence"};
    case RunFlag::ulysses:
      return {"ulysses", "rank",
              "also exchange heads among so many neighbours; the schedule runs over ranks / ulysses"};
    case RunFlag::window:
      return {"window", "rank", "of double_ring: ranks of an inner ring; 0: as many as a node has"};
    case RunFlag::head_groups:
      return {"head-groups", "",
              "groups of heads that travel one after another: of an exchange (--ulysses), else of all_gather"};
    case RunFlag::trim:
      return {"trim", "", "of ring: drop what the mask hides from all ranks still to come (zigzag, causal)"};
    case RunFlag::layout:
      return {"layout", "", "which tokens of a sequence a rank holds"};
    case RunFlag::backend:
      return {"backend", "", "kernels that compute"};
    case RunFlag::transport:
      return {"transport", "", "how the memory of GPUs travels between ranks; other memory has one way"};
    case RunFlag::dtype:
      return {"dtype", "", "type of activations in memory"};
    case RunFlag::wire_dtype:
      return {"wire-dtype", "", "type of activations while they travel between ranks; same: as --dtype"};
    case RunFlag::threads:
      return {"threads", "", "threads of a rank"};
    case RunFlag::mesh:
      return {"mesh", "", "ranks on the axes dp,fsdp,tp,sp; one may be -1: what is left"};
    case RunFlag::output:
      return {"output", "", "HDF5 record; an existing file is renamed, unless --resume goes on with it",
              help_group::output};
    case RunFlag::resume:
      return {"resume", "", "continue the record at --output: skip what it holds", help_group::output};
    case RunFlag::retry_failed:
      return {"retry-failed", "",
              "with --resume: also try again what failed a check, or ran out of memory or time under the same limits",
              help_group::output};
  }
  throw Error(ErrorKind::internal, "a flag without a text");
}

void declare(Options& options, RunFlags& flags, std::initializer_list<RunFlag> wanted) {
  for (const RunFlag flag : wanted) {
    switch (flag) {
      case RunFlag::schedule:
        declare(options, flag, flags.schedule.kind);
        declare(options, RunFlag::ulysses, flags.schedule.ulysses);
        declare(options, RunFlag::window, flags.schedule.window);
        declare(options, RunFlag::head_groups, flags.schedule.head_groups);
        declare(options, RunFlag::trim, flags.schedule.is_trimmed);
        break;
      case RunFlag::ulysses:
      case RunFlag::window:
      case RunFlag::head_groups:
      case RunFlag::trim:
        throw Error(ErrorKind::internal, "the parameters of a schedule are declared with it");
      case RunFlag::layout:
        declare(options, flag, flags.layout);
        break;
      case RunFlag::backend:
        declare(options, flag, flags.backend);
        options.add_check([&flags] {
          require_input(
              traits_of(flags.backend).computes || flags.is_for_times_as_well,
              fmt::format("--backend {} computes nothing, so there would be no result: 'ringworld attention', "
                          "'train' and 'info --links' take it",
                          name_of(flags.backend)));
        });
        break;
      case RunFlag::transport:
        declare(options, flag, flags.transport);
        break;
      case RunFlag::dtype:
        declare(options, flag, flags.dtype);
        break;
      case RunFlag::wire_dtype:
        declare(options, flag, flags.wire_dtype);
        break;
      case RunFlag::threads:
        declare(options, flag, flags.threads);
        break;
      case RunFlag::mesh:
        declare(options, flag, flags.mesh);
        break;
      case RunFlag::output:
        declare(options, flag, flags.output);
        break;
      case RunFlag::resume:
        declare(options, flag, flags.resume);
        break;
      case RunFlag::retry_failed:
        declare(options, flag, flags.retry_failed);
        break;
    }
  }
}

void check_schedule_flags(const Schedule& schedule, const AttentionProblem& problem, Layout layout, bool is_causal,
                          std::int64_t ranks) {
  try {
    check_schedule(schedule, problem, layout, is_causal, ranks);
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("{}: {}", flags_of(schedule), error.what()), error.where());
  }
}

void check_schedule_flags(const Schedule& schedule, const ModelConfig& model, Layout layout, const MeshShape& mesh) {
  const std::int64_t tp = mesh[MeshAxis::tp];
  if (model.heads % tp != 0 || model.kv_heads % tp != 0) {
    return;  // the parameters say what is wrong: it is the mesh
  }
  check_schedule_flags(schedule,
                       {.heads = model.heads / tp, .kv_heads = model.kv_heads / tp, .head_size = model.head_size},
                       layout, true, mesh[MeshAxis::sp]);
}

}  // namespace ringworld
