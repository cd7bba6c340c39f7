#include "kernels/convolution/cost.hpp"

namespace ringworld {
namespace {

constexpr double float_bytes = 4;

/// Pairs of an output and an input row of a frame that a tap joins; columns likewise.
std::int64_t joined(const ConvolutionExtents& extents, std::int64_t side) {
  std::int64_t pairs = 0;
  for (std::int64_t out = 0; out < extents.shape.output_side(side); ++out) {
    for (std::int64_t tap = 0; tap < extents.shape.kernel; ++tap) {
      const std::int64_t in = extents.in_of(out, tap);
      pairs += in >= 0 && in < side ? 1 : 0;
    }
  }
  return pairs;
}

/// Multiplications and additions of all taps of all frames.
double product_flop(const ConvolutionExtents& extents) {
  return 2.0 * static_cast<double>(extents.frames * joined(extents, extents.height) * joined(extents, extents.width)) *
         static_cast<double>(extents.inputs * extents.outputs);
}

/// An operand that is read `times` times, or read and written.
double bytes_of(std::int64_t elements, double times = 1) { return times * float_bytes * static_cast<double>(elements); }

}  // namespace

Cost cost_of(const ConvolutionForward& pass) {
  const ConvolutionExtents extents(pass.shape, pass.x.shape, pass.weight.shape);
  Cost cost{.flop = product_flop(extents),
            .bytes = bytes_of(pass.x.size()) + bytes_of(pass.weight.size()) + bytes_of(pass.y.size())};
  if (pass.bias != nullptr) {
    cost = cost + Cost{.flop = static_cast<double>(pass.y.size()), .bytes = bytes_of(extents.outputs)};
  }
  if (pass.residual != nullptr) {
    cost = cost + Cost{.flop = static_cast<double>(pass.y.size()), .bytes = bytes_of(pass.y.size())};
  }
  return cost;
}

Cost cost_of(const ConvolutionBackward& pass) {
  const ConvolutionExtents extents(pass.shape, pass.x.shape, pass.weight.shape);
  Cost cost{.flop = product_flop(extents),
            .bytes = bytes_of(pass.dy.size()) + bytes_of(pass.x.size()) + bytes_of(pass.weight.size(), 2)};
  if (!pass.dx.is_null()) {
    cost = cost + Cost{.flop = product_flop(extents), .bytes = bytes_of(pass.weight.size()) + bytes_of(pass.x.size())};
    if (pass.adds_to_dx) {
      cost = cost + Cost{.flop = static_cast<double>(pass.x.size()), .bytes = bytes_of(pass.x.size())};
    }
  }
  if (pass.dbias != nullptr) {
    cost = cost + Cost{.flop = static_cast<double>(pass.dy.size()), .bytes = bytes_of(extents.outputs, 2)};
  }
  return cost;
}

}  // namespace ringworld
