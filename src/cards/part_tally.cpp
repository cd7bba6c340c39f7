#include "cards/part_tally.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "core/error.hpp"

namespace ringworld {
namespace {

/// Columns to the right and rows down of a step from one cell to another.
struct Step {
  std::int64_t right = 0;
  std::int64_t down = 0;
  bool operator==(const Step&) const = default;
};

constexpr std::array<Step, direction_names.size()> steps{{{1, 0}, {-1, 0}, {0, 1}, {0, -1}}};

Step step_between(const CardReading& from, const CardReading& to) {
  return {.right = to.cell % card_cells_per_side - from.cell % card_cells_per_side,
          .down = to.cell / card_cells_per_side - from.cell / card_cells_per_side};
}

Step sign_of(const Step& step) {
  const auto sign = [](std::int64_t number) { return std::int64_t{number > 0} - std::int64_t{number < 0}; };
  return {.right = sign(step.right), .down = sign(step.down)};
}

template <class Value>
std::int64_t most_frequent(std::span<const CardReading> frames, const Value& value) {
  const auto times = [&](const CardReading& frame) { return std::ranges::count(frames, value(frame), value); };
  return value(*std::ranges::max_element(frames, {}, times));
}

}  // namespace

void PartTally::add(std::string_view part, bool is_right) {
  auto found = std::ranges::find(parts_, part, &PartCount::part);
  if (found == parts_.end()) {
    found = parts_.insert(parts_.end(), {.part = std::string(part)});
  }
  ++found->trials;
  found->hits += is_right ? 1 : 0;
}

double PartTally::share(std::string_view part) const {
  const auto found = std::ranges::find(parts_, part, &PartCount::part);
  return found == parts_.end() ? std::numeric_limits<double>::quiet_NaN()
                               : static_cast<double>(found->hits) / static_cast<double>(found->trials);
}

bool add_image(const CardFrame& asked, const CardReading& shown, PartTally& tally) {
  const bool has_colour = shown.colour == asked.object.colour;
  const bool has_digit = shown.digit == asked.object.name;
  const bool has_cell = shown.cell == asked.cell;
  tally.add("colour", has_colour);
  tally.add("digit", has_digit);
  tally.add("cell", has_cell);
  tally.add("all", has_colour && has_digit && has_cell);
  return has_colour && has_digit && has_cell;
}

bool add_clip(const CardClip& asked, std::span<const CardReading> shown, PartTally& tally) {
  require(!shown.empty(), "a clip without frames");
  const Step wanted = steps[static_cast<std::size_t>(asked.direction)];
  bool is_right = true;
  for (const CardReading& frame : shown) {
    tally.add("colour", frame.colour == asked.object.colour);
    tally.add("digit", frame.digit == asked.object.name);
    is_right = is_right && frame.colour == asked.object.colour && frame.digit == asked.object.name;
  }
  bool goes_on = true;
  for (std::size_t frame = 0; frame + 1 < shown.size(); ++frame) {
    goes_on = goes_on && step_between(shown[frame], shown[frame + 1]) == wanted;
  }
  tally.add("every_step", goes_on);
  tally.add("net_direction", sign_of(step_between(shown.front(), shown.back())) == wanted);
  tally.add("all", is_right && goes_on);
  return is_right && goes_on;
}

CaptionReading read_caption(std::span<const CardReading> frames) {
  require(!frames.empty(), "a caption of no frame");
  const auto direction = std::ranges::find(steps, sign_of(step_between(frames.front(), frames.back())));
  return {.colour = most_frequent(frames, [](const CardReading& frame) { return frame.colour; }),
          .digit = most_frequent(frames, [](const CardReading& frame) { return frame.digit; }),
          .cell = frames.front().cell,
          .direction = direction == steps.end() ? -1 : direction - steps.begin()};
}

}  // namespace ringworld
