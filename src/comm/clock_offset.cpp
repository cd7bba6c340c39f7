#include "comm/clock_offset.hpp"

#include <cmath>
#include <limits>
#include <span>

namespace ringworld {
namespace {

constexpr int turns = 20;
constexpr int clock_tag = 0;

std::span<std::byte> bytes_of(double& value) { return std::as_writable_bytes(std::span(&value, 1)); }

/// The root's part with one rank; sends it what came out.
void ask(const Communicator& ranks, int rank, const std::function<double()>& clock) {
  ClockOffset found{.seconds = 0, .error = std::numeric_limits<double>::infinity()};
  for (int turn = 0; turn < turns; ++turn) {
    double theirs = 0;
    const double begin = clock();
    ranks.send(bytes_of(theirs), rank, clock_tag);
    ranks.receive(bytes_of(theirs), rank, clock_tag);
    const double end = clock();
    if (const double error = (end - begin) / 2; error < found.error) {
      found = {.seconds = (begin + end) / 2 - theirs, .error = error};
    }
  }
  if (std::abs(found.seconds) <= found.error) {
    found.seconds = 0;
  }
  ranks.send(std::as_bytes(std::span(&found, 1)), rank, clock_tag);
}

ClockOffset answer(const Communicator& ranks, const std::function<double()>& clock) {
  for (int turn = 0; turn < turns; ++turn) {
    double mine = 0;
    ranks.receive(bytes_of(mine), 0, clock_tag);
    mine = clock();
    ranks.send(bytes_of(mine), 0, clock_tag);
  }
  ClockOffset found;
  ranks.receive(std::as_writable_bytes(std::span(&found, 1)), 0, clock_tag);
  return found;
}

}  // namespace

ClockOffset measure_clock_offset(const Communicator& ranks, const std::function<double()>& clock) {
  if (!ranks.is_root()) {
    return answer(ranks, clock);
  }
  for (int rank = 1; rank < ranks.size(); ++rank) {
    ask(ranks, rank, clock);
  }
  return {};
}

}  // namespace ringworld
