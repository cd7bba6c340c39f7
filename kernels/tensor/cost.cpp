#include "kernels/tensor/cost.hpp"

#include <array>

namespace ringworld {
namespace {

struct Rates {
  std::int64_t flop_per_element;
  std::int64_t times_from_is_moved;
  std::int64_t times_to_is_moved;
};

// In the order of TensorOperation.
constexpr std::array<Rates, 6> rates_of_operations{{{0, 0, 1}, {0, 1, 1}, {1, 1, 2}, {1, 0, 2}, {1, 1, 0}, {0, 1, 0}}};

}  // namespace

Cost cost_of(const TensorWork& work) {
  const Rates& rates = rates_of_operations[static_cast<std::size_t>(work.operation)];
  return {.flop = static_cast<double>(rates.flop_per_element * work.elements),
          .bytes = static_cast<double>(rates.times_from_is_moved * work.from_bytes +
                                       rates.times_to_is_moved * work.to_bytes)};
}

}  // namespace ringworld
