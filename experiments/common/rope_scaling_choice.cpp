#include "experiments/common/rope_scaling_choice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "core/error.hpp"
#include "experiments/common/option_values.hpp"

namespace ringworld {
namespace {

constexpr const char* flag = "--rope-scaling";

/// Those that one factor describes.
constexpr std::array scalings_by_factor{RopeScalingKind::linear, RopeScalingKind::dynamic, RopeScalingKind::yarn};

}  // namespace

RopeScalingChoice read_rope_scaling(const std::string& word, std::int64_t trained_length, std::int64_t head_size) {
  if (word == "model") {
    return {};
  }
  if (word == "none") {
    return {.word = word, .given = RopeScaling{}};
  }
  const std::size_t colon = word.find(':');
  const auto* const kind = std::ranges::find_if(scalings_by_factor, [&](RopeScalingKind each) {
    return word.substr(0, colon) == rope_scaling_names[static_cast<std::size_t>(each)];
  });
  require_input(kind != scalings_by_factor.end() && colon != std::string::npos,
                fmt::format("{}: '{}' is neither model, nor none, nor linear:F, dynamic:F or yarn:F with a factor F",
                            flag, word));
  RopeScaling scaling{.kind = *kind, .original_context = static_cast<double>(trained_length)};
  read_value(fmt::format("{} {}", flag, word), word.substr(colon + 1), scaling.factor);
  if (scaling.kind == RopeScalingKind::yarn) {
    scaling.attention_factor = yarn_attention_factor(scaling.factor);
  }
  try {
    validate(scaling, head_size);
  } catch (const Error& error) {
    throw Error(ErrorKind::bad_input, fmt::format("{} {}: {}", flag, word, error.what()));
  }
  return {.word = fmt::format("{}:{}", word.substr(0, colon), scaling.factor), .given = scaling};
}

}  // namespace ringworld
