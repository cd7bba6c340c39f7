#include "io/tensor_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "core/error.hpp"
#include "io/hdf5/attributes.hpp"
#include "io/hdf5/handles.hpp"
#include "io/pending_file.hpp"

namespace ringworld {

namespace fs = std::filesystem;

namespace {

std::string text_of(std::span<const std::int64_t> shape) { return fmt::format("({})", fmt::join(shape, ", ")); }

std::vector<hsize_t> to_hsize(std::span<const std::int64_t> values) { return {values.begin(), values.end()}; }

/// A dataset, with what error messages call it.
struct NamedDataset {
  hdf5::Dataset handle;
  std::string name;

  NamedDataset(const fs::path& path, hid_t file, const std::string& dataset)
      : name(fmt::format("dataset '{}' of '{}'", dataset, path.string())) {
    require_input(hdf5::exists(file, dataset), fmt::format("'{}' has no dataset '{}'", path.string(), dataset));
    handle = hdf5::Dataset(H5Dopen2(file, dataset.c_str(), H5P_DEFAULT));
    require_input(static_cast<bool>(handle), fmt::format("{} cannot be opened: {}", name, hdf5::last_message()));
  }

  [[nodiscard]] hdf5::Dataspace space() const { return hdf5::Dataspace(hdf5::check(H5Dget_space(handle.get()), name)); }

  [[nodiscard]] std::vector<std::int64_t> shape() const {
    const auto extent = space();
    std::vector<hsize_t> sizes(static_cast<std::size_t>(hdf5::check(H5Sget_simple_extent_ndims(extent.get()), name)));
    hdf5::check(H5Sget_simple_extent_dims(extent.get(), sizes.data(), nullptr), name);
    return {sizes.begin(), sizes.end()};
  }
};

std::pair<ElementType, std::string> element_type(const NamedDataset& dataset) {
  const hdf5::Datatype type(hdf5::check(H5Dget_type(dataset.handle.get()), dataset.name));
  const auto bits = 8 * H5Tget_size(type.get());
  switch (H5Tget_class(type.get())) {
    case H5T_FLOAT:
      return {bits == 32   ? ElementType::float32
              : bits == 64 ? ElementType::float64
                           : ElementType::other,
              fmt::format("float{}", bits)};
    case H5T_INTEGER:
      if (H5Tget_sign(type.get()) == H5T_SGN_NONE) {
        return {ElementType::other, fmt::format("uint{}", bits)};
      }
      return {bits == 32   ? ElementType::int32
              : bits == 64 ? ElementType::int64
                           : ElementType::other,
              fmt::format("int{}", bits)};
    case H5T_STRING:
      return {ElementType::other, "text"};
    case H5T_ENUM:
      return {ElementType::other, "bool or another enumeration"};
    case H5T_COMPOUND:
      return {ElementType::other, "a compound type"};
    default:
      return {ElementType::other, "another type"};
  }
}

void require_inside(const NamedDataset& dataset, const Hyperslab& slab, std::span<const std::int64_t> shape) {
  require_input(slab.count.size() == shape.size(), fmt::format("{} has shape {}, where {} dimensions are expected",
                                                               dataset.name, text_of(shape), slab.count.size()));
  require(slab.start.size() == shape.size() && (slab.stride.empty() || slab.stride.size() == shape.size()),
          "start, count and stride of a hyperslab have the same number of dimensions");
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const auto stride = slab.stride.empty() ? 1 : slab.stride[axis];
    require(slab.start[axis] >= 0 && slab.count[axis] >= 0 && stride > 0, "a hyperslab starts at 0 or later");
    const auto end = slab.count[axis] == 0 ? 0 : slab.start[axis] + (slab.count[axis] - 1) * stride + 1;
    require_input(end <= shape[axis], fmt::format("{} has shape {}, where at least {} elements are expected along "
                                                  "dimension {}",
                                                  dataset.name, text_of(shape), end, axis));
  }
}

/// The parts of the file and of memory that a transfer connects.
struct Selection {
  hdf5::Dataspace file;
  hdf5::Dataspace memory;
};

/// Checks the slab; returns nothing when it is empty.
std::optional<Selection> select(const NamedDataset& dataset, const Hyperslab& slab, std::size_t value_count) {
  require_inside(dataset, slab, dataset.shape());
  const auto start = to_hsize(slab.start);
  const auto count = to_hsize(slab.count);
  const auto stride = slab.stride.empty() ? std::vector<hsize_t>(count.size(), 1) : to_hsize(slab.stride);
  hsize_t elements = 1;
  for (const auto extent : count) {
    elements *= extent;
  }
  require(elements == value_count, "memory has as many elements as the hyperslab");
  if (elements == 0) {
    return std::nullopt;
  }
  Selection selection{.file = dataset.space(),
                      .memory = hdf5::Dataspace(hdf5::check(H5Screate_simple(1, &elements, nullptr), dataset.name))};
  if (!count.empty()) {  // a scalar dataset has nothing to select
    hdf5::check(
        H5Sselect_hyperslab(selection.file.get(), H5S_SELECT_SET, start.data(), stride.data(), count.data(), nullptr),
        dataset.name);
  }
  return selection;
}

/// HDF5 converts between sizes and byte orders of one class.
void read_values(const NamedDataset& dataset, const Hyperslab& slab, std::size_t value_count, hid_t type,
                 void* values) {
  if (const auto selection = select(dataset, slab, value_count)) {
    const auto status =
        H5Dread(dataset.handle.get(), type, selection->memory.get(), selection->file.get(), H5P_DEFAULT, values);
    require_input(status >= 0, fmt::format("{} cannot be read: {}", dataset.name, hdf5::last_message()));
  }
}

void require_type(const NamedDataset& dataset, std::span<const ElementType> accepted, std::string_view accepted_names) {
  const auto [type, name] = element_type(dataset);
  require_input(std::ranges::find(accepted, type) != accepted.end(),
                fmt::format("{} holds {}, where {} is expected", dataset.name, name, accepted_names));
}

}  // namespace

struct TensorReader::State {
  fs::path path;
  hdf5::File file;

  [[nodiscard]] NamedDataset dataset(const std::string& name) const { return {path, file.get(), name}; }
};

TensorReader::TensorReader(std::unique_ptr<State> state) : state_(std::move(state)) {}
TensorReader::TensorReader(TensorReader&&) noexcept = default;
TensorReader& TensorReader::operator=(TensorReader&&) noexcept = default;
TensorReader::~TensorReader() = default;

TensorReader TensorReader::open(const fs::path& path) {
  hdf5::silence_error_printing();
  const auto refuse = [&](std::string_view why) {
    throw Error(ErrorKind::bad_input, fmt::format("cannot read '{}': {}", path.string(), why));
  };
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    refuse("there is no such file");
  }
  if (!fs::is_regular_file(path, ignored)) {
    refuse("it is not a file");
  }
  hdf5::File file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT));
  if (!file) {
    const auto message = hdf5::last_message();
    refuse(H5Fis_hdf5(path.c_str()) == 0 ? "it is not an HDF5 file" : message);
  }
  return TensorReader(std::make_unique<State>(State{path, std::move(file)}));
}

const fs::path& TensorReader::path() const noexcept { return state_->path; }

bool TensorReader::has(const std::string& dataset) const { return hdf5::exists(state_->file.get(), dataset); }

TensorInfo TensorReader::describe(const std::string& dataset) const {
  const auto opened = state_->dataset(dataset);
  auto [type, name] = element_type(opened);
  return {.shape = opened.shape(), .type = type, .type_name = std::move(name)};
}

std::optional<AttributeValue> TensorReader::attribute(const std::string& name) const {
  return hdf5::read_attribute(state_->file.get(), name);
}

void TensorReader::require_shape(const std::string& dataset, std::span<const std::int64_t> shape) const {
  const auto opened = state_->dataset(dataset);
  const auto found = opened.shape();
  require_input(std::ranges::equal(found, shape),
                fmt::format("{} has shape {}, where {} is expected", opened.name, text_of(found), text_of(shape)));
}

void TensorReader::read(const std::string& dataset, const Hyperslab& slab, std::span<float> values) const {
  const auto opened = state_->dataset(dataset);
  require_type(opened, std::vector{ElementType::float32, ElementType::float64}, "float32 or float64");
  read_values(opened, slab, values.size(), H5T_NATIVE_FLOAT, values.data());
}

void TensorReader::read(const std::string& dataset, const Hyperslab& slab, std::span<std::int32_t> values) const {
  const auto opened = state_->dataset(dataset);
  require_type(opened, std::vector{ElementType::int32}, "int32");
  read_values(opened, slab, values.size(), H5T_NATIVE_INT32, values.data());
}

struct TensorWriter::State {
  PendingFile pending;  // before `file`: the file is closed first, then removed
  hdf5::File file;
};

TensorWriter::TensorWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
TensorWriter::TensorWriter(TensorWriter&&) noexcept = default;
TensorWriter& TensorWriter::operator=(TensorWriter&&) noexcept = default;
TensorWriter::~TensorWriter() = default;

TensorWriter TensorWriter::create(const fs::path& path) {
  hdf5::silence_error_printing();
  PendingFile pending(path);
  hdf5::File file(H5Fcreate(pending.temporary().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT));
  require_input(static_cast<bool>(file), fmt::format("cannot write '{}': {}", path.string(), hdf5::last_message()));
  return TensorWriter(std::make_unique<State>(State{std::move(pending), std::move(file)}));
}

void TensorWriter::add(const std::string& dataset, std::span<const std::int64_t> shape, const std::string& meaning) {
  require(static_cast<bool>(state_->file), "the file is not finished yet");
  const auto extents = to_hsize(shape);
  const hdf5::Dataspace space(
      hdf5::check(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), dataset));
  const hdf5::Dataset made(hdf5::check(H5Dcreate2(state_->file.get(), dataset.c_str(), H5T_IEEE_F32LE, space.get(),
                                                  hdf5::intermediate_groups().get(), H5P_DEFAULT, H5P_DEFAULT),
                                       dataset));
  if (!meaning.empty()) {
    hdf5::write_attribute(made.get(), "meaning", meaning);
  }
}

void TensorWriter::write(const std::string& dataset, const Hyperslab& slab, std::span<const float> values) {
  require(static_cast<bool>(state_->file), "the file is not finished yet");
  const NamedDataset opened(state_->pending.target(), state_->file.get(), dataset);
  if (const auto selection = select(opened, slab, values.size())) {
    const auto status = H5Dwrite(opened.handle.get(), H5T_NATIVE_FLOAT, selection->memory.get(), selection->file.get(),
                                 H5P_DEFAULT, values.data());
    require_input(status >= 0, fmt::format("{} cannot be written: {}", opened.name, hdf5::last_message()));
  }
}

void TensorWriter::finish() {
  require(static_cast<bool>(state_->file), "a file is finished once");
  require_input(H5Fclose(state_->file.release()) >= 0,
                fmt::format("cannot write '{}': {}", state_->pending.target().string(), hdf5::last_message()));
  state_->pending.publish();
}

}  // namespace ringworld
