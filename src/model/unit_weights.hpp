#pragma once
/// @file  The weights of one unit in the type that products read.

#include <span>

#include "core/dtype.hpp"
#include "model/compute.hpp"

namespace ringworld {

/// For fp32 the gathered unit itself; for bf16 a rounded copy, one unit at a time.
class UnitWeights {
 public:
  /// @param largest  elements of the largest unit     @param compute  must outlive this
  UnitWeights(DType dtype, std::int64_t largest, Compute& compute);

  /// Valid until the next call.
  [[nodiscard]] const void* convert(std::span<const float> unit);
  [[nodiscard]] std::int64_t bytes() const { return copy_.bytes(); }

 private:
  DType dtype_;
  Compute& compute_;
  Buffer copy_;
};

}  // namespace ringworld
