#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "core/error.hpp"
#include "core/thread_team.hpp"
#include "kernels/attention/attention.hpp"

namespace ringworld {

namespace {

constexpr std::int64_t largest_head_size = compiled_head_sizes.back();

bool is_compiled(std::int64_t head_size) {
  return std::ranges::find(compiled_head_sizes, head_size) != compiled_head_sizes.end();
}

/// The multiples of `head_size_step` below and above, as far as there are any.
std::string nearest_head_sizes(std::int64_t head_size) {
  if (head_size >= largest_head_size) {
    return fmt::format("{}", largest_head_size);
  }
  const std::int64_t below = head_size / head_size_step * head_size_step;
  return below < head_size_step ? fmt::format("{}", head_size_step)
                                : fmt::format("{} or {}", below, below + head_size_step);
}

}  // namespace

void require_head_size(Backend backend, std::int64_t head_size) {
  require_input(head_size > 0, fmt::format("head size {} is not positive", head_size));
  const bool is_step = head_size % head_size_step == 0 && head_size <= largest_head_size;
  require_input(
      backend == Backend::reference || is_step || is_compiled(head_size),
      fmt::format("backend {} has no kernel for head size {}: it takes multiples of {} up to {}, and 100; the "
                  "nearest is {}; backend reference takes any",
                  name_of(backend), head_size, head_size_step, largest_head_size, nearest_head_sizes(head_size)));
}

void check_options(Backend backend, const BlockAttentionOptions& options) {
  require_head_size(backend, options.head_size);
  require_input(
      options.scale > 0.0F && std::isfinite(options.scale),
      fmt::format("attention scale {} is not a positive number; 1 / sqrt(head size) is usual", options.scale));
  require_team(options.threads, "threads");
  require_input(options.threads == 1 || backend == Backend::host,
                fmt::format("threads is {}, but backend {} runs on one thread; only host runs on more", options.threads,
                            name_of(backend)));
}

}  // namespace ringworld
