#pragma once
/// @file  Names of types and rotations on the command line.

#include <array>
#include <optional>
#include <string_view>

#include "core/dtype.hpp"
#include "core/spelling.hpp"
#include "perf/attention_model.hpp"

namespace ringworld {

/// @throws Error(bad_input) naming the nearest type.
[[nodiscard]] inline DType parse_dtype(std::string_view name) {
  constexpr std::array<std::string_view, 2> known{"float32", "bfloat16"};
  if (name == known[0]) {
    return DType::float32;
  }
  if (name == known[1]) {
    return DType::bfloat16;
  }
  throw_unknown_name("dtype", name, known);
}

/// Empty for "auto". @throws Error(bad_input) naming the nearest rotation.
[[nodiscard]] inline std::optional<BackwardRotation> parse_rotation(std::string_view name) {
  constexpr std::array<std::string_view, 3> known{"auto", "kv", "q"};
  if (name == known[0]) {
    return std::nullopt;
  }
  if (name == known[1]) {
    return BackwardRotation::kv;
  }
  if (name == known[2]) {
    return BackwardRotation::q;
  }
  throw_unknown_name("backward rotation", name, known);
}

[[nodiscard]] constexpr std::string_view name_of(BackwardRotation rotation) {
  return rotation == BackwardRotation::kv ? "kv" : "q";
}

}  // namespace ringworld
