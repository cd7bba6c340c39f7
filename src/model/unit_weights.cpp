#include "model/unit_weights.hpp"

#include "core/isa.hpp"
#include "kernels/row/row_functions.hpp"

namespace ringworld {

UnitWeights::UnitWeights(DType dtype, std::int64_t largest) : dtype_(dtype) {
  if (dtype != DType::float32) {
    copy_ = Buffer(largest * size_of(dtype));
  }
}

const void* UnitWeights::convert(std::span<const float> unit) {
  if (dtype_ == DType::float32) {
    return unit.data();
  }
  row::row_functions(selected_isa()).bfloat16.copy_float32(unit.data(), copy_.as<bf16>(), std::ssize(unit));
  return copy_.data();
}

}  // namespace ringworld
