#pragma once
/// @file  Convolutions of 3 x 3 taps and stride 1 by tiles of 4 x 4 output pixels (host/tile_transforms.hpp): a quarter
/// of the multiplications. Frames of odd size end with tiles that are cut off.

#include "kernels/convolution/host/correlation.hpp"
#include "kernels/convolution/host/tile_transforms.hpp"
#include "kernels/convolution/host/weight_gradient.hpp"

namespace ringworld::host_convolution {

/// Whether the functions below take a correlation: its channels fill registers, and its frames a tile.
[[nodiscard]] bool has_tiles(const Correlation& correlation, std::int64_t outputs);

struct TileScratch {
  std::vector<float> weight;  ///< transformed, or the sums of its gradient
  std::vector<float> input;
  std::vector<float> gradient;
  std::vector<float> zeros;  ///< a pixel outside of the frame
};

/// As `correlate`; an element's sum runs over the channels in their order, at each position.
void correlate_tiles(const CorrelationPass& pass, Multiply multiply, const TileTransforms& transforms, int threads,
                     TileScratch& scratch);

/// As `add_weight_gradient`: blocks of tiles are summed in their order.
void add_weight_gradient_of_tiles(const WeightGradientPass& pass, Multiply multiply, const TileTransforms& transforms,
                                  int threads, TileScratch& scratch);

}  // namespace ringworld::host_convolution
