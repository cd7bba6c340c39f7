#pragma once
/// @file  The process mesh: which ranks share what, on the axes dp, fsdp, tp and sp, as in LWM.

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "comm/communicator.hpp"

namespace ringworld {

/// Axes, slowest first: neighbours on the last axis are neighbours in rank order.
enum class MeshAxis : std::uint8_t {
  dp,    ///< data parallel: batch
  fsdp,  ///< fully sharded data parallel: batch, parameters and optimiser state
  tp,    ///< tensor parallel: heads and ffn
  sp,    ///< sequence parallel: the ring
};

inline constexpr std::array<std::string_view, 4> mesh_axis_names{"dp", "fsdp", "tp", "sp"};

/// Sizes of the four axes; their product is the number of ranks.
struct MeshShape {
  std::array<std::int64_t, 4> sizes{1, 1, 1, 1};

  [[nodiscard]] std::int64_t operator[](MeshAxis axis) const { return sizes[static_cast<std::size_t>(axis)]; }
  [[nodiscard]] std::string to_string() const;
};

/// Reads "dp,fsdp,tp,sp"; one entry may be -1 and becomes what the others leave of `ranks`.
/// @throws Error(bad_input) when the text is no mesh, or does not multiply to `ranks`.
[[nodiscard]] MeshShape parse_mesh(std::string_view text, std::int64_t ranks);

/// One communicator an axis: the ranks that differ from this one on that axis only.
class Mesh {
 public:
  /// Collective over `communicator`, whose size is the product of `shape`. It may be a pretended one.
  Mesh(const Communicator& communicator, const MeshShape& shape);

  [[nodiscard]] const MeshShape& shape() const { return shape_; }
  [[nodiscard]] std::int64_t coordinate(MeshAxis axis) const { return coordinates_[static_cast<std::size_t>(axis)]; }
  [[nodiscard]] const Communicator& along(MeshAxis axis) const { return axes_[static_cast<std::size_t>(axis)]; }
  /// All ranks of the mesh, in rank order.
  [[nodiscard]] const Communicator& all() const { return all_; }
  /// The ranks that differ from this one on some of `axes` only, the last axis varying fastest. Collective over the mesh.
  [[nodiscard]] Communicator across(std::initializer_list<MeshAxis> axes) const;

 private:
  [[nodiscard]] std::array<std::int64_t, 4> coordinates_of(std::int64_t rank) const;

  MeshShape shape_;
  Communicator all_;
  std::array<std::int64_t, 4> coordinates_{};
  std::array<Communicator, 4> axes_;
};

}  // namespace ringworld
