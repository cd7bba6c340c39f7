#include "data/frame_spread.hpp"

#include "core/error.hpp"

namespace ringworld {

std::vector<std::int64_t> spread_frames(std::int64_t count, std::int64_t wanted) {
  require(count >= 1 && wanted >= 1, "a clip and what is taken of it have a frame");
  std::vector<std::int64_t> chosen;
  // The order of operations is numpy's, as truncation makes a frame of the last bit.
  const double step = wanted > 1 ? static_cast<double>(count - 1) / static_cast<double>(wanted - 1) : 0.0;
  for (std::int64_t place = 0; place < wanted; ++place) {
    const bool is_last = place > 0 && place + 1 == wanted;
    chosen.push_back(is_last ? count - 1 : static_cast<std::int64_t>(static_cast<double>(place) * step));
  }
  return chosen;
}

}  // namespace ringworld
