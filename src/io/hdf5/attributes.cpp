#include "io/hdf5/attributes.hpp"

#include <fmt/format.h>

#include <memory>
#include <vector>

#include "core/error.hpp"
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
  void operator()(double value) const { write(Datatype(check(H5Tcopy(H5T_NATIVE_DOUBLE), name)), scalar(), &value); }
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

 private:
  [[nodiscard]] Datatype integer() const { return Datatype(check(H5Tcopy(H5T_NATIVE_INT64), name)); }

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

std::vector<std::string> read_texts(hid_t attribute, hid_t space, std::size_t count, const std::string& name) {
  const auto type = variable_text();
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

}  // namespace

void write_attribute(hid_t object, const std::string& name, const AttributeValue& value) {
  if (check(H5Aexists(object, name.c_str()), name) > 0) {
    check(H5Adelete(object, name.c_str()), name);
  }
  std::visit(AttributeWriter{object, name}, value);
}

std::optional<AttributeValue> read_attribute(hid_t object, const std::string& name) {
  if (check(H5Aexists(object, name.c_str()), name) == 0) {
    return std::nullopt;
  }
  const Attribute attribute(check(H5Aopen(object, name.c_str(), H5P_DEFAULT), name));
  const Datatype type(check(H5Aget_type(attribute.get()), name));
  const Dataspace space(check(H5Aget_space(attribute.get()), name));
  const bool is_list = check(H5Sget_simple_extent_ndims(space.get()), name) > 0;
  const auto count = static_cast<std::size_t>(check(H5Sget_simple_extent_npoints(space.get()), name));
  require(is_list || count == 1, "a scalar attribute holds one value");

  switch (H5Tget_class(type.get())) {
    case H5T_ENUM:
      if (!is_list) {
        return read_numbers<std::int8_t>(attribute.get(), boolean().get(), count, name).front() != 0;
      }
      break;
    case H5T_INTEGER: {
      auto values = read_numbers<std::int64_t>(attribute.get(), H5T_NATIVE_INT64, count, name);
      return is_list ? AttributeValue(std::move(values)) : AttributeValue(values.front());
    }
    case H5T_FLOAT:
      if (!is_list) {
        return read_numbers<double>(attribute.get(), H5T_NATIVE_DOUBLE, count, name).front();
      }
      break;
    case H5T_STRING:
      if (H5Tis_variable_str(type.get()) > 0) {
        auto values = read_texts(attribute.get(), space.get(), count, name);
        return is_list ? AttributeValue(std::move(values)) : AttributeValue(std::move(values.front()));
      }
      break;
    default:
      break;
  }
  throw Error(ErrorKind::internal, fmt::format("attribute '{}' holds a type that records do not have", name));
}

}  // namespace ringworld::hdf5
