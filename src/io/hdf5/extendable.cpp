#include "io/hdf5/extendable.hpp"

#include <fmt/format.h>

#include "core/error.hpp"

namespace ringworld::hdf5 {

namespace {

Datatype stored_type(const Dataset& dataset) {
  return Datatype(check(H5Dget_type(dataset.get()), "type of a dataset"));
}

Dataspace elements_from(const Dataset& dataset, std::int64_t first, std::int64_t count) {
  Dataspace space(check(H5Dget_space(dataset.get()), "elements of a dataset"));
  const auto start = static_cast<hsize_t>(first);
  const auto extent = static_cast<hsize_t>(count);
  check(H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, &start, nullptr, &extent, nullptr), "elements of a dataset");
  return space;
}

Dataspace in_memory(std::int64_t count) {
  const auto extent = static_cast<hsize_t>(count);
  return Dataspace(check(H5Screate_simple(1, &extent, nullptr), "elements in memory"));
}

}  // namespace

Dataset create_extendable(hid_t file, std::string_view path, hid_t type, std::int64_t elements_per_chunk,
                          hid_t fill_type, const void* fill) {
  const hsize_t extent = 0;
  const hsize_t largest = H5S_UNLIMITED;
  const auto chunk = static_cast<hsize_t>(elements_per_chunk);
  const Dataspace space(check(H5Screate_simple(1, &extent, &largest), path));
  const PropertyList creation(check(H5Pcreate(H5P_DATASET_CREATE), path));
  check(H5Pset_chunk(creation.get(), 1, &chunk), path);
  if (fill != nullptr) {
    check(H5Pset_fill_value(creation.get(), fill_type, fill), path);
  }
  return Dataset(check(H5Dcreate2(file, std::string(path).c_str(), type, space.get(), intermediate_groups().get(),
                                  creation.get(), H5P_DEFAULT),
                       path));
}

std::int64_t element_count(const Dataset& dataset) {
  const Dataspace space(check(H5Dget_space(dataset.get()), "size of a dataset"));
  return check(H5Sget_simple_extent_npoints(space.get()), "size of a dataset");
}

std::int64_t append_elements(const Dataset& dataset, std::int64_t count, hid_t type, const void* elements) {
  const std::int64_t first = element_count(dataset);
  if (count == 0) {
    return first;
  }
  const auto extent = static_cast<hsize_t>(first + count);
  check(H5Dset_extent(dataset.get(), &extent), "growing a dataset");
  check(H5Dwrite(dataset.get(), type, in_memory(count).get(), elements_from(dataset, first, count).get(), H5P_DEFAULT,
                 elements),
        "writing elements");
  return first;
}

void read_elements(const Dataset& dataset, std::int64_t first, std::int64_t count, hid_t type, void* elements) {
  if (count > 0) {
    check(H5Dread(dataset.get(), type, in_memory(count).get(), elements_from(dataset, first, count).get(), H5P_DEFAULT,
                  elements),
          "reading elements");
  }
}

std::vector<std::byte> stored_elements(const Dataset& dataset, std::int64_t first, std::int64_t count) {
  const Datatype type = stored_type(dataset);
  std::vector<std::byte> bytes(static_cast<std::size_t>(count) * H5Tget_size(type.get()));
  read_elements(dataset, first, count, type.get(), bytes.data());
  return bytes;
}

void append_stored(hid_t file, const std::string& path, std::int64_t first, std::int64_t count,
                   std::span<const std::byte> bytes) {
  const Dataset dataset(H5Dopen2(file, path.c_str(), H5P_DEFAULT));
  require_input(static_cast<bool>(dataset), fmt::format("its journal adds to '{}', which it does not have", path));
  const Datatype type = stored_type(dataset);
  const bool fits = first == element_count(dataset) && count >= 0 &&
                    bytes.size() == static_cast<std::size_t>(count) * H5Tget_size(type.get());
  require_input(fits, fmt::format("its journal does not go on where '{}' ends", path));
  append_elements(dataset, count, type.get(), bytes.data());
}

}  // namespace ringworld::hdf5
