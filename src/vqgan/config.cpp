#include "vqgan/config.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <limits>

#include "core/error.hpp"

namespace ringworld {
namespace {

constexpr std::int64_t most_levels = 16;
constexpr std::int64_t most_channels = std::int64_t{1} << 16;
constexpr std::int64_t largest_side = std::int64_t{1} << 14;

void require_range(const char* name, std::int64_t value, std::int64_t largest) {
  require_input(value >= 1 && value <= largest, fmt::format("vqgan: {} is {}; give 1 to {}", name, value, largest));
}

}  // namespace

void validate(const VqganConfig& config) {
  require_range("hidden_size", config.hidden_size, most_channels);
  require_range("blocks", config.blocks, most_channels);
  require_range("middle_blocks", config.middle_blocks, most_channels);
  require_range("latent_channels", config.latent_channels, most_channels);
  require_range("codebook_size", config.codebook_size, std::numeric_limits<std::int32_t>::max());
  require_range("norm_groups", config.norm_groups, most_channels);
  require_range("frame_side", config.frame_side, largest_side);
  require_input(
      !config.multipliers.empty() && config.levels() <= most_levels,
      fmt::format("vqgan: multipliers has {} numbers; give 1 to {}, one a level", config.levels(), most_levels));
  require_input(config.multipliers.front() == 1,
                fmt::format("vqgan: the first of multipliers is {}; give 1: level 0 has hidden_size channels",
                            config.multipliers.front()));
  for (std::int64_t level = 0; level < config.levels(); ++level) {
    require_range("a number of multipliers", config.multipliers[static_cast<std::size_t>(level)], most_channels);
    require_range("hidden_size times a number of multipliers", config.channels(level), most_channels);
    require_input(config.channels(level) % config.norm_groups == 0,
                  fmt::format("vqgan: norm_groups {} does not divide the {} channels of level {}", config.norm_groups,
                              config.channels(level), level));
  }
  const std::int64_t factor = std::int64_t{1} << (config.levels() - 1);
  require_input(config.frame_side % factor == 0,
                fmt::format("vqgan: frame_side {} does not divide by {}, by which {} levels scale it down",
                            config.frame_side, factor, config.levels()));
  require_input(std::isfinite(config.commitment) && config.commitment >= 0,
                fmt::format("vqgan: commitment is {}; give 0 or more", config.commitment));
}

std::string to_text(const VqganConfig& config) {
  return fmt::format(
      "hidden_size={} multipliers={} blocks={} middle_blocks={} latent_channels={} codebook_size={} norm_groups={} "
      "frame_side={} commitment={}",
      config.hidden_size, fmt::join(config.multipliers, ","), config.blocks, config.middle_blocks,
      config.latent_channels, config.codebook_size, config.norm_groups, config.frame_side, config.commitment);
}

}  // namespace ringworld
