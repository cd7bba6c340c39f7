#include "media/frame_choice.hpp"

#include <cmath>
#include <numeric>

#include "core/error.hpp"
#include "data/frame_spread.hpp"

namespace ringworld {
namespace {

/// Time stamps are multiples of units that do not divide a second evenly.
constexpr double same_time = 1e-6;

}  // namespace

std::vector<std::int64_t> choose_frames(std::span<const double> times, const FrameChoice& choice) {
  require(choice.frames == 0 || choice.frames_per_second == 0, "frames are chosen by number or by rate");
  const auto count = std::ssize(times);
  if (choice.frames > 0 && count > choice.frames) {
    return spread_frames(count, choice.frames);
  }
  if (choice.frames_per_second == 0) {
    std::vector<std::int64_t> all(static_cast<std::size_t>(count));
    std::iota(all.begin(), all.end(), 0);
    return all;
  }
  std::vector<std::int64_t> chosen;
  double wanted = 0;  // k
  for (std::int64_t frame = 0; frame < count; ++frame) {
    // The frame is seen until the next one is.
    const bool is_last = frame + 1 == count;
    const double end =
        is_last ? times[static_cast<std::size_t>(frame)] + 2 * same_time : times[static_cast<std::size_t>(frame + 1)];
    if (wanted / choice.frames_per_second + same_time < end) {
      chosen.push_back(frame);
      wanted = std::ceil((end - same_time) * choice.frames_per_second);
    }
  }
  return chosen;
}

}  // namespace ringworld
