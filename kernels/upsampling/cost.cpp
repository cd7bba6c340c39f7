#include "kernels/upsampling/cost.hpp"

namespace ringworld {
namespace {

double bytes_of(std::int64_t small, std::int64_t large) {
  return static_cast<double>((small + large) * static_cast<std::int64_t>(sizeof(float)));
}

}  // namespace

Cost cost_of(const UpsamplingForward& pass) { return {.flop = 0, .bytes = bytes_of(pass.x.size(), pass.y.size())}; }

Cost cost_of(const UpsamplingBackward& pass) {
  return {.flop = static_cast<double>(3 * pass.dx.size()), .bytes = bytes_of(pass.dx.size(), pass.dy.size())};
}

}  // namespace ringworld
