#include "tasks/vision/examples.hpp"

#include <algorithm>

namespace ringworld {
namespace {

constexpr double modality_weight = 0.5;

}  // namespace

VisionTerms::VisionTerms(std::vector<VisionKind> kinds, VisionLoss loss, double text_weight) {
  std::ranges::sort(kinds);
  kinds.erase(std::ranges::unique(kinds).begin(), kinds.end());
  const auto generating = std::ranges::count_if(kinds, predicts_frames);
  // Plain text comes on top of the formats that answer, and does not thin them out.
  const auto answering = std::ssize(kinds) - generating - std::ranges::count(kinds, VisionKind::text);
  const double of_answer = modality_weight / static_cast<double>(std::max<std::ptrdiff_t>(1, answering));
  const double of_frames = modality_weight / static_cast<double>(std::max<std::ptrdiff_t>(1, generating));
  const LossMean mean = loss == VisionLoss::rows ? LossMean::sequences : LossMean::tokens;
  const auto add = [&](std::string_view name, double weight, bool is_vision) {
    LossTerm& term = terms_.emplace_back(LossTerm{.name = std::string(name), .weight = weight, .mean = mean});
    if (loss != VisionLoss::formats) {
      term.weight = modality_weight;
      term.group = is_vision ? "vision" : "text";
    }
    return static_cast<TermIndex>(terms_.size() - 1);
  };
  for (const VisionKind kind : kinds) {
    const bool is_vision = predicts_frames(kind);
    const double weight = is_vision ? of_frames : kind == VisionKind::text ? text_weight * of_answer : of_answer;
    term_of_kind_[static_cast<std::size_t>(kind)] = add(name_of(kind), weight, is_vision);
  }
  if (generating > 0) {
    delimiters_ = add("delimiters", of_answer, false);
  }
}

}  // namespace ringworld
