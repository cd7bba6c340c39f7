#pragma once
/// @file  Which scaling of RoPE a model is run with, when the context is not the one that it was trained on.

#include <cstdint>
#include <optional>
#include <string>

#include "kernels/rope/rope_scaling.hpp"

namespace ringworld {

/// How the scaling follows from the model.
struct RopeScalingChoice {
  std::string word = "model";  ///< as it is recorded; model: the checkpoint's own
  // NOLINTNEXTLINE(readability-redundant-member-init): lets designated initialisers leave it out without a warning.
  std::optional<RopeScaling> given{};  ///< takes the place of the model's own

  bool operator==(const RopeScalingChoice&) const = default;
};

/// @param trained_length  where yarn and dynamic begin
/// @throws Error(bad_input) unless it is model, none, or linear:F, dynamic:F or yarn:F with a factor F that heads of this
/// size can have.
[[nodiscard]] RopeScalingChoice read_rope_scaling(const std::string& word, std::int64_t trained_length,
                                                  std::int64_t head_size);

}  // namespace ringworld
