#pragma once
/// @file  The sigmoid of a register of floats.

#include "kernels/elementwise/simd.hpp"

namespace ringworld::row {
namespace {

/// 1 / (1 + e^-x).
template <class S>
typename S::Float sigmoid(typename S::Float x) {
  return S::reciprocal(1.0F + S::exp(-x));
}

}  // namespace
}  // namespace ringworld::row
