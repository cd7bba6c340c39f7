#include "probe/finding.hpp"

#include <fmt/format.h>

#include <array>

namespace ringworld {
namespace {

constexpr std::array<std::string_view, 5> tensor_names{"out", "lse", "dq", "dk", "dv"};
constexpr std::array<std::string_view, 4> fault_texts{"is missed", "is counted twice", "is seen but must not be",
                                                      "holds other numbers than it should"};

}  // namespace

std::string describe(const ProbeFinding& finding) {
  std::string place = fmt::format("rank {}: {} of token {}, head {} ({})", finding.rank,
                                  tensor_names[static_cast<std::size_t>(finding.tensor)], finding.token, finding.head,
                                  name_of(finding.form));
  if (finding.sequence > 0) {
    place += fmt::format(", sequence {}", finding.sequence);
  }
  const std::string_view fault = fault_texts[static_cast<std::size_t>(finding.fault)];
  if (finding.other < 0) {
    return fmt::format("{}: {}", place, fault);
  }
  return fmt::format("{}: token {} of rank {}, hop {}, {}", place, finding.other, finding.other_rank, finding.hop,
                     fault);
}

}  // namespace ringworld
