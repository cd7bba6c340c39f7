#pragma once
/// @file  Which RoPE theta a model is run with, when the context is not the one that it was trained on.

#include <cstdint>
#include <string>

namespace ringworld {

/// How theta follows from the model and the length.
struct ThetaChoice {
  std::string mode;  ///< stage, scaled or given
  double given = 0;

  /// scaled: with the square of the length beyond the trained one. The angle of pair i at the last position is
  /// S theta^(-2i/D), so with theta in proportion to S^2 the slower half of the pairs (i >= D/4), which tell far from
  /// near, stay within the angles that they were trained on.
  [[nodiscard]] double value(double trained_theta, std::int64_t trained_length, std::int64_t context_length) const;
};

/// @throws Error(bad_input) unless it is stage, scaled or a positive number.
[[nodiscard]] ThetaChoice read_theta(const std::string& word);

}  // namespace ringworld
