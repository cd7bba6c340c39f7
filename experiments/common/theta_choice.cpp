#include "experiments/common/theta_choice.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "experiments/common/option_values.hpp"

namespace ringworld {

double ThetaChoice::value(double trained_theta, std::int64_t trained_length, std::int64_t context_length) const {
  if (mode == "given") {
    return given;
  }
  if (mode == "scaled" && context_length > trained_length) {
    const double ratio = static_cast<double>(context_length) / static_cast<double>(trained_length);
    return trained_theta * ratio * ratio;
  }
  return trained_theta;
}

ThetaChoice read_theta(const std::string& word) {
  if (word == "stage" || word == "scaled") {
    return {.mode = word};
  }
  ThetaChoice choice{.mode = "given"};
  bool is_number = true;
  try {
    read_value("--rope-theta", word, choice.given);
  } catch (const Error&) {
    is_number = false;
  }
  require_input(is_number && choice.given > 0,
                fmt::format("--rope-theta: '{}' is neither stage, nor scaled, nor a positive number", word));
  return choice;
}

}  // namespace ringworld
