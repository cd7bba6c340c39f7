#pragma once
/// @file  The learning rate of each step of a stage.
///
///   peak     ____________________
///           /                    \               warm-up, hold, then down to the minimum: linear or cosine;
///          /                      \              `constant` stays at the peak
///   minimum                        \____
///         |warm-up|---- hold ----|------|

#include <array>
#include <cstdint>
#include <string_view>

namespace ringworld {

enum class DecayShape : std::uint8_t { constant, cosine, linear };

inline constexpr std::array<std::string_view, 3> decay_shape_names{"constant", "cosine", "linear"};

[[nodiscard]] constexpr std::string_view name_of(DecayShape shape) noexcept {
  return decay_shape_names[static_cast<std::size_t>(shape)];
}

/// @throws Error(bad_input) naming the nearest one.
[[nodiscard]] DecayShape parse_decay_shape(std::string_view name);

struct LearningRateSchedule {
  double peak = 0;
  double minimum = 0;             ///< where decay ends
  std::int64_t warmup_steps = 0;  ///< step i of them has (i + 1) / (warmup_steps + 1) of the peak
  std::int64_t steps = 0;         ///< of the stage, warm-up included
  DecayShape shape = DecayShape::constant;
  double hold = 0;  ///< share of the steps after warm-up that stay at the peak
};

/// @throws Error(bad_input) naming the first invalid value.
void validate(const LearningRateSchedule& schedule);

/// @param step  counted from 0; from `steps` on the minimum, or the peak when it is constant
[[nodiscard]] double learning_rate(const LearningRateSchedule& schedule, std::int64_t step);

}  // namespace ringworld
