#pragma once
/// @file  Tables of names for the enumerations that flags and configurations hold.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "comm/transport.hpp"
#include "core/dtype.hpp"
#include "core/enumerators.hpp"
#include "device/backend.hpp"
#include "kernels/attention/attention_problem.hpp"
#include "model/model.hpp"
#include "sequence/partition.hpp"
#include "sequence/schedule.hpp"

namespace ringworld {

template <>
struct Enumerators<DType> {
  static constexpr std::string_view what = "dtype";
  static constexpr std::array<std::string_view, 2> names{"float32", "bfloat16"};
};
template <>
struct Enumerators<ScheduleKind> {
  static constexpr std::string_view what = "schedule";
  static constexpr auto& names = schedule_names;
};
template <>
struct Enumerators<Layout> {
  static constexpr std::string_view what = "layout";
  static constexpr auto& names = layout_names;
};
template <>
struct Enumerators<Backend> {
  static constexpr std::string_view what = "backend";
  static constexpr auto& names = backend_names;
};
template <>
struct Enumerators<Transport> {
  static constexpr std::string_view what = "transport";
  static constexpr auto& names = transport_names;
};
template <>
struct Enumerators<Recomputation> {
  static constexpr std::string_view what = "recomputation";
  static constexpr auto& names = recomputation_names;
};
template <>
struct Enumerators<AttentionPass> {
  static constexpr std::string_view what = "pass";
  static constexpr std::array<std::string_view, 3> names{"forward", "backward", "forward_backward"};
};
template <>
struct Enumerators<BackwardRotation> {
  static constexpr std::string_view what = "backward rotation";
  static constexpr std::array<std::string_view, 2> names{"kv", "q"};
};

/// The type on the wire as it is asked for.
enum class WireDType : std::uint8_t {
  float32,
  bfloat16,
  same,  ///< as in memory
};
template <>
struct Enumerators<WireDType> {
  static constexpr std::string_view what = "wire dtype";
  static constexpr std::array<std::string_view, 3> names{"float32", "bfloat16", "same"};
};
[[nodiscard]] constexpr DType dtype_on_wire(WireDType wire, DType in_memory) {
  switch (wire) {
    case WireDType::float32:
      return DType::float32;
    case WireDType::bfloat16:
      return DType::bfloat16;
    default:
      return in_memory;
  }
}

/// What travels in backward, as it is asked for.
enum class RotationChoice : std::uint8_t {
  automatic,  ///< the one with fewer bytes
  kv,
  q,
};
template <>
struct Enumerators<RotationChoice> {
  static constexpr std::string_view what = "backward rotation";
  static constexpr std::array<std::string_view, 3> names{"auto", "kv", "q"};
};
/// Nothing for automatic.
[[nodiscard]] constexpr std::optional<BackwardRotation> rotation_of(RotationChoice choice) {
  switch (choice) {
    case RotationChoice::kv:
      return BackwardRotation::kv;
    case RotationChoice::q:
      return BackwardRotation::q;
    default:
      return std::nullopt;
  }
}

}  // namespace ringworld
