#include "io/hdf5/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "core/bf16.hpp"
#include "core/error.hpp"
#include "io/attribute.hpp"
#include "io/hdf5/attributes.hpp"

namespace ringworld::hdf5 {

namespace {

constexpr const char* bfloat16_name = "bfloat16";

using HdfText = std::unique_ptr<char, decltype(&H5free_memory)>;

std::string opaque_tag(hid_t type) {
  const HdfText tag(H5Tget_tag(type), &H5free_memory);
  return tag == nullptr ? std::string() : tag.get();
}

/// h5py's and PyTorch's users keep bfloat16 as 16-bit integers and say so beside them.
bool says_bfloat16(const Dataset& dataset) {
  const auto name = read_attribute(dataset.get(), "dtype");
  return name.has_value() && as_text(*name) == bfloat16_name;
}

}  // namespace

bool is_boolean(hid_t type) {
  if (H5Tget_class(type) != H5T_ENUM || H5Tget_nmembers(type) != 2) {
    return false;
  }
  const auto has = [&](const char* name, int expected) {
    const int index = H5Tget_member_index(type, name);
    if (index < 0) {
      return false;
    }
    const Datatype stored(check(H5Tget_super(type), "bool type"));
    std::vector<std::byte> value(std::max(H5Tget_size(stored.get()), sizeof(std::int64_t)));
    check(H5Tget_member_value(type, static_cast<unsigned>(index), value.data()), "bool type");
    check(H5Tconvert(stored.get(), H5T_NATIVE_INT64, 1, value.data(), nullptr, H5P_DEFAULT), "bool type");
    return *reinterpret_cast<const std::int64_t*>(value.data()) == expected;
  };
  return has("FALSE", 0) && has("TRUE", 1);
}

ElementType element_type_of(const Dataset& dataset) {
  const Datatype type(check(H5Dget_type(dataset.get()), "type of a dataset"));
  const auto bits = 8 * H5Tget_size(type.get());
  switch (H5Tget_class(type.get())) {
    case H5T_FLOAT: {
      std::size_t exponent = 0;
      std::size_t ignored = 0;
      check(H5Tget_fields(type.get(), &ignored, &ignored, &exponent, &ignored, &ignored), "type of a dataset");
      const bool is_brain = bits == 16 && exponent == 8;
      return {ElementKind::floating, is_brain ? bfloat16_name : fmt::format("float{}", bits)};
    }
    case H5T_INTEGER: {
      if (bits == 16 && says_bfloat16(dataset)) {
        return {ElementKind::bfloat16, bfloat16_name};
      }
      const bool is_signed = H5Tget_sign(type.get()) != H5T_SGN_NONE;
      return {bits <= 64 ? ElementKind::integer : ElementKind::other,
              fmt::format("{}int{}", is_signed ? "" : "u", bits)};
    }
    case H5T_ENUM:
      return is_boolean(type.get()) ? ElementType{ElementKind::boolean, "bool"}
                                    : ElementType{ElementKind::other, "an enumeration"};
    case H5T_OPAQUE: {
      const std::string tag = opaque_tag(type.get());
      if (bits == 16 && (tag.empty() || tag.find(bfloat16_name) != std::string::npos)) {
        return {ElementKind::bfloat16, bfloat16_name};
      }
      return {ElementKind::other, fmt::format("{} opaque bits{}{}", bits, tag.empty() ? "" : " tagged ", tag)};
    }
    case H5T_STRING:
      return {ElementKind::other, "text"};
    case H5T_COMPOUND:
      return {ElementKind::other, "a compound type"};
    default:
      return {ElementKind::other, "another type"};
  }
}

herr_t read_floats(const Dataset& dataset, const ElementType& type, const Transfer& transfer, std::span<float> values) {
  require(is_floating(type.kind), "the dataset holds floating-point numbers");
  if (type.kind == ElementKind::floating) {
    float none = 0;  // HDF5 wants a pointer
    return H5Dread(dataset.get(), H5T_NATIVE_FLOAT, transfer.memory, transfer.file, transfer.properties,
                   values.empty() ? &none : values.data());
  }
  // An opaque type is converted to itself alone, and has the byte order of the machines that write it: little-endian.
  const Datatype stored(check(H5Dget_type(dataset.get()), "type of a dataset"));
  const hid_t same_bits = H5Tget_class(stored.get()) == H5T_OPAQUE    ? stored.get()
                          : H5Tget_sign(stored.get()) == H5T_SGN_NONE ? H5T_NATIVE_UINT16
                                                                      : H5T_NATIVE_INT16;
  std::vector<std::uint16_t> bits(std::max<std::size_t>(values.size(), 1));
  const auto status =
      H5Dread(dataset.get(), same_bits, transfer.memory, transfer.file, transfer.properties, bits.data());
  std::transform(bits.begin(), bits.begin() + static_cast<std::ptrdiff_t>(values.size()), values.begin(),
                 [](std::uint16_t word) { return static_cast<float>(bf16::from_bits(word)); });
  return status;
}

herr_t read_integers(const Dataset& dataset, const Transfer& transfer, std::span<std::int64_t> values) {
  return H5Dread(dataset.get(), H5T_NATIVE_INT64, transfer.memory, transfer.file, transfer.properties, values.data());
}

}  // namespace ringworld::hdf5
