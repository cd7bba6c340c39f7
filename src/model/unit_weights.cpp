#include "model/unit_weights.hpp"

namespace ringworld {

UnitWeights::UnitWeights(DType dtype, std::int64_t largest, Compute& compute) : dtype_(dtype), compute_(compute) {
  if (dtype != DType::float32) {
    copy_ = compute.allocate(largest * size_of(dtype));
  }
}

const void* UnitWeights::convert(std::span<const float> unit) {
  if (dtype_ == DType::float32) {
    return unit.data();
  }
  const auto scope = compute_.scope(Work::elementwise);
  const std::array<std::int64_t, 2> one_row{1, std::ssize(unit)};
  compute_.tensors().copy_rows({unit.data(), DType::float32, one_row}, {copy_.data(), dtype_, one_row});
  return copy_.data();
}

}  // namespace ringworld
