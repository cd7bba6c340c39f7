#include "io/hdf5/types.hpp"

#include <string>

#include "core/error.hpp"

namespace ringworld::hdf5 {

namespace {

Datatype text_of_size(std::size_t bytes, H5T_cset_t characters = H5T_CSET_UTF8) {
  Datatype type(check(H5Tcopy(H5T_C_S1), "text type"));
  check(H5Tset_size(type.get(), bytes), "text type");
  check(H5Tset_cset(type.get(), characters), "text type");
  return type;
}

Datatype copy_of(hid_t type) { return Datatype(check(H5Tcopy(type), "number type")); }

}  // namespace

Datatype variable_text(H5T_cset_t characters) { return text_of_size(H5T_VARIABLE, characters); }

Datatype fixed_text(std::int64_t bytes) {
  auto type = text_of_size(static_cast<std::size_t>(bytes));
  check(H5Tset_strpad(type.get(), H5T_STR_NULLPAD), "text type");
  return type;
}

Datatype boolean() {
  Datatype type(check(H5Tenum_create(H5T_NATIVE_INT8), "bool type"));
  const std::int8_t no = 0;
  const std::int8_t yes = 1;
  check(H5Tenum_insert(type.get(), "FALSE", &no), "bool type");
  check(H5Tenum_insert(type.get(), "TRUE", &yes), "bool type");
  return type;
}

Datatype type_of(const Column& column) {
  switch (column.kind) {
    case ColumnKind::uint8:
      return copy_of(H5T_NATIVE_UINT8);
    case ColumnKind::int32:
      return copy_of(H5T_NATIVE_INT32);
    case ColumnKind::int64:
      return copy_of(H5T_NATIVE_INT64);
    case ColumnKind::float32:
      return copy_of(H5T_NATIVE_FLOAT);
    case ColumnKind::float64:
      return copy_of(H5T_NATIVE_DOUBLE);
    case ColumnKind::boolean:
      return boolean();
    case ColumnKind::text:
      return fixed_text(column.size);
  }
  throw Error(ErrorKind::internal, "a column of unknown kind");
}

std::int64_t packed_size(std::span<const Column> columns) {
  std::int64_t size = 0;
  for (const auto& column : columns) {
    size += column.size;
  }
  return size;
}

Datatype packed_compound(std::span<const Column> columns) {
  Datatype compound(check(H5Tcreate(H5T_COMPOUND, static_cast<std::size_t>(packed_size(columns))), "row type"));
  std::size_t offset = 0;
  for (const auto& column : columns) {
    const std::string name(column.name);
    check(H5Tinsert(compound.get(), name.c_str(), offset, type_of(column).get()), name);
    offset += static_cast<std::size_t>(column.size);
  }
  return compound;
}

}  // namespace ringworld::hdf5
