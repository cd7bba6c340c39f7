#pragma once
/// @file  The cost of a convolution of N frames: T pairs of an output and an input pixel of a frame that a tap joins
/// (taps on the padding are none), P input and Q output pixels of a frame, I input and O output channels, K = k k I O.

#include "kernels/convolution/convolution.hpp"

namespace ringworld {

/// 2 N T I O FLOP, and N Q O each for the bias and for the residual where there is one. Bytes: x, the weight and y,
/// 4 (N P I + K + N Q O), and the bias and the residual where there is one.
[[nodiscard]] Cost cost_of(const ConvolutionForward& pass);

/// 2 N T I O FLOP for dweight and as many for dx where it is wanted, N Q O for dbias where it is wanted, and N P I where
/// dx is added to. Bytes: dy, x, and dweight read and written, 4 (N Q O + N P I + 2 K); the weight and dx (twice where
/// it is added to) where dx is wanted; dbias twice where it is wanted.
[[nodiscard]] Cost cost_of(const ConvolutionBackward& pass);

}  // namespace ringworld
