#pragma once
/// @file  What the elements of a dataset are, whatever their size and byte order.

#include <cstdint>
#include <string>

namespace ringworld {

enum class ElementKind : std::uint8_t {
  floating,  ///< of any size: float16, float32, float64, bfloat16 as an HDF5 type of its own
  bfloat16,  ///< stored as two bytes without a number type, as NumPy's extension types are
  integer,
  boolean,  ///< the enumeration FALSE = 0, TRUE = 1 of h5py
  other,
};

struct ElementType {
  ElementKind kind = ElementKind::other;
  std::string name;  ///< as numpy spells it where it has a name: "float16", "uint8", ...
};

}  // namespace ringworld
