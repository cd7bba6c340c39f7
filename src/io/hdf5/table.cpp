#include "io/hdf5/table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "io/hdf5/attributes.hpp"
#include "io/hdf5/extendable.hpp"
#include "io/hdf5/types.hpp"

namespace ringworld::hdf5 {

namespace {

constexpr std::int64_t rows_per_chunk = 64;

H5T_class_t class_of(ColumnKind kind) {
  switch (kind) {
    case ColumnKind::uint8:
    case ColumnKind::int32:
    case ColumnKind::int64:
      return H5T_INTEGER;
    case ColumnKind::float32:
    case ColumnKind::float64:
      return H5T_FLOAT;
    case ColumnKind::boolean:
      return H5T_ENUM;
    case ColumnKind::text:
      return H5T_STRING;
  }
  return H5T_NO_CLASS;
}

std::string_view name_of_class(H5T_class_t type_class) {
  switch (type_class) {
    case H5T_INTEGER:
      return "integers";
    case H5T_FLOAT:
      return "floating-point numbers";
    case H5T_ENUM:
      return "bool";
    case H5T_STRING:
      return "text";
    default:
      return "another type";
  }
}

/// The type of this column in the stored compound; null when it has no such column.
Datatype member_type(hid_t compound, const Column& column) {
  const std::string name(column.name);
  const int index = H5Tget_member_index(compound, name.c_str());
  return index < 0 ? Datatype() : Datatype(check(H5Tget_member_type(compound, static_cast<unsigned>(index)), name));
}

void require_table(hid_t dataset, hid_t type, const RowLayout& layout) {
  const Dataspace space(check(H5Dget_space(dataset), layout.path));
  require_input(H5Tget_class(type) == H5T_COMPOUND && H5Sget_simple_extent_ndims(space.get()) == 1,
                fmt::format("'{}' of the record is not a table", layout.path));
  for (const auto& column : layout.columns) {
    const auto stored = member_type(type, column);
    if (!stored) {
      continue;
    }
    const auto stored_class = H5Tget_class(stored.get());
    const bool fits =
        stored_class == class_of(column.kind) && (stored_class != H5T_STRING || H5Tis_variable_str(stored.get()) == 0);
    require_input(fits, fmt::format("column '{}' of '{}' holds {} where {} is expected", column.name, layout.path,
                                    name_of_class(stored_class), name_of(column.kind)));
  }
}

void require_known_columns(hid_t type, const RowLayout& layout) {
  const int count = check(H5Tget_nmembers(type), layout.path);
  for (int index = 0; index < count; ++index) {
    const std::unique_ptr<char, decltype(&H5free_memory)> name(H5Tget_member_name(type, static_cast<unsigned>(index)),
                                                               &H5free_memory);
    require(name != nullptr, "a member of a compound type has a name");
    const bool is_known = std::ranges::any_of(
        layout.columns, [&](const Column& column) { return column.name == std::string_view(name.get()); });
    require_input(is_known, fmt::format("'{}' has a column '{}' that this version does not know: rows cannot be added "
                                        "to the record of another version, start a new one",
                                        layout.path, name.get()));
  }
}

/// Cuts the start of a multi-byte character off the end: FixedString cuts at bytes, and h5py refuses half a character.
void cut_partial_character(std::span<std::byte> text) {
  std::size_t length = 0;
  while (length < text.size() && text[length] != std::byte{0}) {
    ++length;
  }
  std::size_t lead = length;
  while (lead > 0 && length - lead < 3 && (text[lead - 1] & std::byte{0xC0}) == std::byte{0x80}) {
    --lead;
  }
  if (lead == 0) {
    return;
  }
  const auto first = std::to_integer<unsigned>(text[lead - 1]);
  const std::size_t expected = first >= 0xF0U ? 4 : first >= 0xE0U ? 3 : first >= 0xC0U ? 2 : 1;
  if (expected > length - lead + 1) {
    std::fill(text.begin() + static_cast<std::ptrdiff_t>(lead - 1), text.end(), std::byte{0});
  }
}

/// Rows as `packed_compound` has them.
std::vector<std::byte> pack(const RowLayout& layout, std::span<const std::byte> rows) {
  const auto row_size = static_cast<std::size_t>(layout.row_size);
  std::vector<std::byte> packed(rows.size() / row_size * static_cast<std::size_t>(packed_size(layout.columns)));
  auto* place = packed.data();
  for (std::size_t begin = 0; begin < rows.size(); begin += row_size) {
    for (const auto& column : layout.columns) {
      const auto size = static_cast<std::size_t>(column.size);
      std::memcpy(place, &rows[begin + static_cast<std::size_t>(column.offset)], size);
      if (column.kind == ColumnKind::text) {
        cut_partial_character({place, size});
      }
      place += size;
    }
  }
  return packed;
}

void describe(const Dataset& dataset, const RowLayout& layout) {
  std::vector<std::string> names;
  std::vector<std::string> roles;
  std::vector<std::string> units;
  std::vector<std::string> meanings;
  for (const auto& column : layout.columns) {
    names.emplace_back(column.name);
    roles.emplace_back(name_of(column.role));
    units.emplace_back(column.unit);
    meanings.emplace_back(column.meaning);
  }
  write_attribute(dataset.get(), "meaning", std::string(layout.meaning));
  write_attribute(dataset.get(), "columns", names);
  write_attribute(dataset.get(), "roles", roles);
  write_attribute(dataset.get(), "units", units);
  write_attribute(dataset.get(), "meanings", meanings);
}

}  // namespace

Table Table::open(hid_t file, const RowLayout& layout) {
  const std::string path(layout.path);
  Dataset dataset(H5Dopen2(file, path.c_str(), H5P_DEFAULT));
  require_input(static_cast<bool>(dataset), fmt::format("'{}' of the record is not a table", path));
  Table table(std::move(dataset));
  require_table(table.dataset_.get(), table.stored_type().get(), layout);
  return table;
}

Table Table::open_for_append(hid_t file, const RowLayout& layout) {
  if (!exists(file, layout.path)) {
    return create(file, layout, packed_compound(layout.columns));
  }
  auto table = open(file, layout);
  const auto type = table.stored_type();
  require_known_columns(type.get(), layout);
  const bool has_all_columns = std::ranges::all_of(layout.columns, [&](const Column& column) {
    const auto stored = member_type(type.get(), column);
    return stored && H5Tget_size(stored.get()) >= static_cast<std::size_t>(column.size);
  });
  if (!has_all_columns) {
    return std::move(table).widened(file, layout);
  }
  describe(table.dataset_, layout);  // a version before this one may have said less of its columns, or something else
  return table;
}

Table Table::create(hid_t file, const RowLayout& layout, const Datatype& type) {
  // Columns that a writer does not have get the defaults of the row type.
  const auto defaults = pack(layout, layout.defaults);
  Table table(create_extendable(file, layout.path, type.get(), rows_per_chunk, packed_compound(layout.columns).get(),
                                defaults.data()));
  describe(table.dataset_, layout);
  return table;
}

Datatype Table::stored_type() const { return Datatype(check(H5Dget_type(dataset_.get()), "type of a table")); }

Table Table::widened(hid_t file, const RowLayout& layout) && {
  const auto old_type = stored_type();
  const auto count = row_count();
  std::vector<std::byte> old_rows(static_cast<std::size_t>(count) * H5Tget_size(old_type.get()));
  read_elements(dataset_, 0, count, old_type.get(), old_rows.data());

  std::vector<Datatype> members;
  std::size_t size = 0;
  for (const auto& column : layout.columns) {
    auto stored = member_type(old_type.get(), column);
    const bool is_wide_enough = stored && H5Tget_size(stored.get()) >= static_cast<std::size_t>(column.size);
    members.push_back(is_wide_enough ? std::move(stored) : type_of(column));
    size += H5Tget_size(members.back().get());
  }
  const Datatype type(check(H5Tcreate(H5T_COMPOUND, size), layout.path));
  std::size_t offset = 0;
  for (std::size_t i = 0; i < members.size(); ++i) {
    check(H5Tinsert(type.get(), std::string(layout.columns[i].name).c_str(), offset, members[i].get()), layout.path);
    offset += H5Tget_size(members[i].get());
  }

  dataset_.reset();
  check(H5Ldelete(file, std::string(layout.path).c_str(), H5P_DEFAULT), layout.path);
  auto table = create(file, layout, type);
  append_elements(table.dataset_, count, old_type.get(), old_rows.data());
  return table;
}

std::int64_t Table::row_count() const { return element_count(dataset_); }

std::int64_t Table::append(const RowLayout& layout, std::span<const std::byte> rows) {
  const auto count = static_cast<std::int64_t>(rows.size()) / layout.row_size;
  return append_elements(dataset_, count, packed_compound(layout.columns).get(), pack(layout, rows).data());
}

void Table::read(const RowLayout& layout, std::span<std::byte> rows) const {
  const auto stored = stored_type();
  std::vector<Column> columns;
  for (const auto& column : layout.columns) {
    if (member_type(stored.get(), column)) {
      columns.push_back(column);
    }
  }
  if (rows.empty() || columns.empty()) {
    return;
  }
  const auto row_size = static_cast<std::size_t>(layout.row_size);
  std::vector<std::byte> packed(rows.size() / row_size * static_cast<std::size_t>(packed_size(columns)));
  read_elements(dataset_, 0, static_cast<std::int64_t>(rows.size() / row_size), packed_compound(columns).get(),
                packed.data());
  const auto* place = packed.data();
  for (std::size_t begin = 0; begin < rows.size(); begin += row_size) {
    for (const auto& column : columns) {
      auto* const value = &rows[begin + static_cast<std::size_t>(column.offset)];
      std::memcpy(value, place, static_cast<std::size_t>(column.size));
      if (column.kind == ColumnKind::boolean) {
        *value = std::byte{*place != std::byte{0}};  // a bool of any other value would be undefined behaviour
      }
      place += column.size;
    }
  }
}

}  // namespace ringworld::hdf5
