#include "tensors/stored_numbers.hpp"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include "core/bf16.hpp"
#include "core/error.hpp"

namespace ringworld {

namespace {

static_assert(std::endian::native == std::endian::little, "numbers are read as they lie in the file");

/// Elements as the file stores them, to float32.
template <class Stored, class ToFloat>
void convert(std::span<const std::byte> bytes, std::span<float> values, ToFloat&& to_float) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    Stored stored{};
    std::memcpy(&stored, &bytes[i * sizeof(Stored)], sizeof(Stored));
    values[i] = to_float(stored);
  }
}

}  // namespace

float half_to_float(std::uint16_t bits) {
  const auto fraction = static_cast<float>(bits & 0x3ffU);
  const int exponent = (bits >> 10U) & 0x1fU;
  float magnitude = 0;
  if (exponent == 0x1f) {
    magnitude = fraction == 0 ? std::numeric_limits<float>::infinity() : std::numeric_limits<float>::quiet_NaN();
  } else {
    magnitude = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(fraction + 1024, exponent - 25);
  }
  return (bits & 0x8000U) != 0 ? -magnitude : magnitude;
}

void convert_to_float(SafetensorsType type, std::span<const std::byte> bytes, std::span<float> values) {
  switch (type) {
    case SafetensorsType::float64:
      return convert<double>(bytes, values, [](double number) { return static_cast<float>(number); });
    case SafetensorsType::float32:
      return convert<float>(bytes, values, [](float number) { return number; });
    case SafetensorsType::float16:
      return convert<std::uint16_t>(bytes, values, half_to_float);
    case SafetensorsType::bfloat16:
      return convert<std::uint16_t>(bytes, values,
                                    [](std::uint16_t bits) { return static_cast<float>(bf16::from_bits(bits)); });
    case SafetensorsType::other:
      break;
  }
  throw Error(ErrorKind::internal, "only floating-point numbers are converted");
}

}  // namespace ringworld
