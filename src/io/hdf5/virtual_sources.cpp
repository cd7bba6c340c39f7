#include "io/hdf5/virtual_sources.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <system_error>
#include <vector>

#include "io/output_path.hpp"

namespace ringworld::hdf5 {

namespace fs = std::filesystem;

namespace {

using NameOfSource = ssize_t (*)(hid_t, std::size_t, char*, std::size_t);

std::string name_of_source(NameOfSource function, hid_t creation, std::size_t index) {
  const auto length = static_cast<std::size_t>(check(function(creation, index, nullptr, 0), "virtual dataset"));
  std::string name(length + 1, '\0');
  check(function(creation, index, name.data(), name.size()), "virtual dataset");
  name.resize(length);
  return name;
}

fs::path path_of_file(const Dataset& dataset) {
  const auto length = static_cast<std::size_t>(check(H5Fget_name(dataset.get(), nullptr, 0), "name of a file"));
  std::string name(length + 1, '\0');
  check(H5Fget_name(dataset.get(), name.data(), name.size()), "name of a file");
  name.resize(length);
  return name;
}

/// Where HDF5 looks for a source: H5Pset_virtual_prefix in its reference manual.
std::vector<fs::path> places_of(const fs::path& source, const fs::path& file) {
  std::vector<fs::path> places;
  if (source.is_absolute()) {
    places.push_back(source);
  }
  const fs::path name = source.is_absolute() ? source.filename() : source;
  if (const char* const prefixes = std::getenv("HDF5_VDS_PREFIX")) {
    for (std::string_view rest = prefixes; !rest.empty();) {
      const std::string_view prefix = rest.substr(0, rest.find(':'));
      rest.remove_prefix(std::min(rest.size(), prefix.size() + 1));
      places.push_back(fs::path(prefix) / name);
    }
  }
  places.push_back(directory_of(file) / name);
  places.push_back(name);
  return places;
}

bool holds(const fs::path& place, const std::string& dataset) {
  const File file(H5Fopen(place.c_str(), H5F_ACC_RDONLY, serial_access().get()));
  return file && exists(file.get(), dataset);
}

}  // namespace

std::optional<std::string> missing_source(const Dataset& dataset) {
  const PropertyList creation(check(H5Dget_create_plist(dataset.get()), "layout of a dataset"));
  if (H5Pget_layout(creation.get()) != H5D_VIRTUAL) {
    return std::nullopt;
  }
  const fs::path file = path_of_file(dataset);
  std::size_t sources = 0;
  check(H5Pget_virtual_count(creation.get(), &sources), "virtual dataset");
  for (std::size_t index = 0; index < sources; ++index) {
    const std::string source = name_of_source(&H5Pget_virtual_filename, creation.get(), index);
    const std::string name = name_of_source(&H5Pget_virtual_dsetname, creation.get(), index);
    if (source.find('%') != std::string::npos || name.find('%') != std::string::npos) {
      continue;  // a family of sources, as many as there are
    }
    std::error_code ignored;
    bool is_there = source == "." && exists(dataset.get(), name);
    for (const fs::path& place : source == "." ? std::vector<fs::path>() : places_of(source, file)) {
      // The file itself is open already, and may be so in another way.
      is_there = is_there || (fs::equivalent(place, file, ignored) ? exists(dataset.get(), name)
                                                                   : fs::exists(place, ignored) && holds(place, name));
    }
    if (!is_there) {
      return fmt::format("dataset '{}' of '{}'", name, source == "." ? file.string() : source);
    }
  }
  return std::nullopt;
}

}  // namespace ringworld::hdf5
