#include "io/hdf5/attributes.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "core/error.hpp"
#include "io/hdf5/numbers.hpp"
#include "io/hdf5/types.hpp"

namespace ringworld::hdf5 {

namespace {

Dataspace scalar() { return Dataspace(check(H5Screate(H5S_SCALAR), "attribute space")); }

Dataspace list_of(std::size_t count) {
  const hsize_t extent = count;
  return Dataspace(check(H5Screate_simple(1, &extent, nullptr), "attribute space"));
}

/// Writes one alternative of AttributeValue.
struct AttributeWriter {
  hid_t object;
  const std::string& name;

  void operator()(bool value) const {
    const auto byte = static_cast<std::int8_t>(value);
    write(boolean(), scalar(), &byte);
  }
  void operator()(std::int64_t value) const { write(integer(), scalar(), &value); }
  void operator()(double value) const { write(real(), scalar(), &value); }
  void operator()(const std::string& value) const {
    const char* const text = value.c_str();
    write(variable_text(), scalar(), &text);
  }
  void operator()(const std::vector<std::string>& values) const {
    std::vector<const char*> texts;
    texts.reserve(values.size());
    for (const auto& value : values) {
      texts.push_back(value.c_str());
    }
    write(variable_text(), list_of(values.size()), texts.data());
  }
  void operator()(const std::vector<std::int64_t>& values) const {
    write(integer(), list_of(values.size()), values.data());
  }
  void operator()(const std::vector<double>& values) const { write(real(), list_of(values.size()), values.data()); }

 private:
  [[nodiscard]] Datatype integer() const { return Datatype(check(H5Tcopy(H5T_NATIVE_INT64), name)); }
  [[nodiscard]] Datatype real() const { return Datatype(check(H5Tcopy(H5T_NATIVE_DOUBLE), name)); }

  void write(const Datatype& type, const Dataspace& space, const void* data) const {
    const Attribute attribute(
        check(H5Acreate2(object, name.c_str(), type.get(), space.get(), H5P_DEFAULT, H5P_DEFAULT), name));
    if (data != nullptr) {  // an empty list has nothing to write
      check(H5Awrite(attribute.get(), type.get(), data), name);
    }
  }
};

template <class T>
std::vector<T> read_numbers(hid_t attribute, hid_t type, std::size_t count, const std::string& name) {
  std::vector<T> values(count);
  if (count > 0) {
    check(H5Aread(attribute, type, values.data()), name);
  }
  return values;
}

std::vector<std::string> read_variable_texts(hid_t attribute, hid_t space, std::size_t count, const std::string& name) {
  const Datatype stored(check(H5Aget_type(attribute), name));
  const auto type = variable_text(H5Tget_cset(stored.get()));
  std::vector<char*> texts(count);
  if (count > 0) {
    check(H5Aread(attribute, type.get(), texts.data()), name);
  }
  const auto reclaim = [&](void* data) { H5Dvlen_reclaim(type.get(), space, H5P_DEFAULT, data); };
  const std::unique_ptr<void, decltype(reclaim)> allocated(count > 0 ? texts.data() : nullptr, reclaim);
  std::vector<std::string> values;
  for (const char* text : texts) {
    values.emplace_back(text == nullptr ? "" : text);
  }
  return values;
}

/// Text in fields of one size, which zeros or spaces fill.
std::vector<std::string> read_fixed_texts(hid_t attribute, hid_t type, std::size_t count, const std::string& name) {
  const std::size_t size = H5Tget_size(type);
  std::string fields(std::max<std::size_t>(count * size, 1), '\0');
  check(H5Aread(attribute, type, fields.data()), name);
  const bool is_space_padded = H5Tget_strpad(type) == H5T_STR_SPACEPAD;
  std::vector<std::string> values;
  for (std::size_t i = 0; i < count; ++i) {
    std::string value = fields.substr(i * size, size);
    value.resize(std::min(value.size(), value.find('\0')));
    while (is_space_padded && value.ends_with(' ')) {
      value.pop_back();
    }
    values.push_back(std::move(value));
  }
  return values;
}

template <class T>
AttributeValue one_or_list(std::vector<T> values, bool is_list) {
  return is_list ? AttributeValue(std::move(values)) : AttributeValue(std::move(values.front()));
}

}  // namespace

void write_attribute(hid_t object, const std::string& name, const AttributeValue& value) {
  if (check(H5Aexists(object, name.c_str()), name) > 0) {
    check(H5Adelete(object, name.c_str()), name);
  }
  std::visit(AttributeWriter{object, name}, value);
}

void overwrite_integer(hid_t object, const std::string& name, std::int64_t value) {
  const Attribute attribute(check(H5Aopen(object, name.c_str(), H5P_DEFAULT), name));
  check(H5Awrite(attribute.get(), H5T_NATIVE_INT64, &value), name);
}

void remove_attribute(hid_t object, const std::string& name) {
  if (check(H5Aexists(object, name.c_str()), name) > 0) {
    check(H5Adelete(object, name.c_str()), name);
  }
}

std::optional<AttributeValue> read_attribute(hid_t object, const std::string& name) {
  if (check(H5Aexists(object, name.c_str()), name) == 0) {
    return std::nullopt;
  }
  const Attribute attribute(check(H5Aopen(object, name.c_str(), H5P_DEFAULT), name));
  const Datatype type(check(H5Aget_type(attribute.get()), name));
  const Dataspace space(check(H5Aget_space(attribute.get()), name));
  const auto extent = H5Sget_simple_extent_type(space.get());
  if (extent == H5S_NULL) {
    return std::nullopt;  // h5py.Empty: there is no value
  }
  const bool is_list = extent == H5S_SIMPLE;
  const auto count = static_cast<std::size_t>(check(H5Sget_simple_extent_npoints(space.get()), name));

  switch (H5Tget_class(type.get())) {
    case H5T_ENUM:
      if (is_boolean(type.get())) {
        const auto values = read_numbers<std::int8_t>(attribute.get(), boolean().get(), count, name);
        return is_list ? AttributeValue(std::vector<std::int64_t>(values.begin(), values.end()))
                       : AttributeValue(values.front() != 0);
      }
      break;
    case H5T_INTEGER:
      return one_or_list(read_numbers<std::int64_t>(attribute.get(), H5T_NATIVE_INT64, count, name), is_list);
    case H5T_FLOAT:
      return one_or_list(read_numbers<double>(attribute.get(), H5T_NATIVE_DOUBLE, count, name), is_list);
    case H5T_STRING:
      return one_or_list(H5Tis_variable_str(type.get()) > 0
                             ? read_variable_texts(attribute.get(), space.get(), count, name)
                             : read_fixed_texts(attribute.get(), type.get(), count, name),
                         is_list);
    default:
      break;
  }
  throw Error(ErrorKind::bad_input, fmt::format("attribute '{}' is neither numbers, nor truth values, nor text", name));
}

std::vector<std::string> attribute_names(hid_t object) {
  std::vector<std::string> names;
  const auto keep = [](hid_t /*object*/, const char* name, const H5A_info_t* /*info*/, void* kept) -> herr_t {
    static_cast<std::vector<std::string>*>(kept)->emplace_back(name);
    return 0;
  };
  check(H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, nullptr, keep, &names), "names of attributes");
  return names;
}

}  // namespace ringworld::hdf5
