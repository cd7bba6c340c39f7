#include "experiments/common/run_flags.hpp"

#include "core/error.hpp"

namespace ringworld {

FlagText text_of(RunFlag flag) {
  switch (flag) {
    case RunFlag::schedule:
      return {"schedule", "", "how attention moves blocks between the ranks of a sequence"};
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
      return {"output", "", "HDF5 record; an existing file is renamed, unless --resume goes on with it"};
    case RunFlag::resume:
      return {"resume", "", "continue the record at --output: skip what it holds"};
    case RunFlag::retry_failed:
      return {"retry-failed", "",
              "with --resume: also try again what failed a check, or ran out of memory or time under the same limits"};
  }
  throw Error(ErrorKind::internal, "a flag without a text");
}

void declare(Options& options, RunFlags& flags, std::initializer_list<RunFlag> wanted) {
  for (const RunFlag flag : wanted) {
    switch (flag) {
      case RunFlag::schedule:
        declare(options, flag, flags.schedule);
        break;
      case RunFlag::layout:
        declare(options, flag, flags.layout);
        break;
      case RunFlag::backend:
        declare(options, flag, flags.backend);
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

}  // namespace ringworld
