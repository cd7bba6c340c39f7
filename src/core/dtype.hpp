#pragma once
/// @file  Element types of activations, known at run time.

#include <cstdint>
#include <string_view>

#include "core/bf16.hpp"

namespace ringworld {

enum class DType : std::uint8_t { float32, bfloat16 };

[[nodiscard]] constexpr std::int64_t size_of(DType dtype) noexcept { return dtype == DType::float32 ? 4 : 2; }

[[nodiscard]] constexpr std::string_view name_of(DType dtype) noexcept {
  return dtype == DType::float32 ? "float32" : "bfloat16";
}

template <class T>
inline constexpr DType dtype_of = [] {
  static_assert(sizeof(T) == 0, "no DType for this type");
  return DType::float32;
}();
template <>
inline constexpr DType dtype_of<float> = DType::float32;
template <>
inline constexpr DType dtype_of<bf16> = DType::bfloat16;

/// Calls `function(T{})` with the C++ type of `dtype`, so that a kernel is written once as a template.
template <class Function>
decltype(auto) with_type(DType dtype, Function&& function) {
  return dtype == DType::float32 ? function(float{}) : function(bf16{});
}

}  // namespace ringworld
