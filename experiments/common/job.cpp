#include "experiments/common/job.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace ringworld {

bool parse_options(const Job& job, Options& options) {
  std::optional<std::string> help;
  on_every_rank(job.world, [&] { help = options.parse(job.arguments); });
  if (help.has_value() && job.world.is_root()) {
    fmt::print("{}", *help);
    std::fflush(stdout);
  }
  return !help.has_value();
}

}  // namespace ringworld
