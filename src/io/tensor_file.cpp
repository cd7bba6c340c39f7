#include "io/tensor_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <system_error>
#include <utility>

#include "core/activity.hpp"
#include "core/error.hpp"
#include "io/hdf5/attributes.hpp"
#include "io/hdf5/discard.hpp"
#include "io/hdf5/handles.hpp"
#include "io/hdf5/numbers.hpp"
#include "io/hdf5/shapes.hpp"
#include "io/hdf5/virtual_sources.hpp"
#include "io/output_lock.hpp"
#include "io/output_path.hpp"
#include "io/pending_file.hpp"

namespace ringworld {

namespace fs = std::filesystem;

namespace {

/// hdf5::exists, whose error names the file.
bool has_dataset(const fs::path& path, hid_t file, const std::string& dataset) {
  try {
    return hdf5::exists(file, dataset);
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("'{}': {}", path.string(), error.what()), error.where());
  }
}

/// A dataset, with what error messages call it.
struct NamedDataset {
  hdf5::Dataset handle;
  std::string name;

  NamedDataset(const fs::path& path, hid_t file, const std::string& dataset)
      : name(fmt::format("dataset '{}' of '{}'", dataset, path.string())) {
    require_input(has_dataset(path, file, dataset), fmt::format("'{}' has no dataset '{}'", path.string(), dataset));
    handle = hdf5::Dataset(H5Dopen2(file, dataset.c_str(), H5P_DEFAULT));
    require_input(static_cast<bool>(handle), fmt::format("{} cannot be opened: {}", name, hdf5::last_message()));
    const auto missing = hdf5::missing_source(handle);
    require_input(!missing.has_value(),
                  fmt::format("{} takes elements from {}, which is not there", name, missing.value_or("")));
  }

  [[nodiscard]] hdf5::Dataspace space() const { return hdf5::Dataspace(hdf5::check(H5Dget_space(handle.get()), name)); }

  [[nodiscard]] std::vector<std::int64_t> shape() const {
    const auto extent = space();
    std::vector<hsize_t> sizes(static_cast<std::size_t>(hdf5::check(H5Sget_simple_extent_ndims(extent.get()), name)));
    hdf5::check(H5Sget_simple_extent_dims(extent.get(), sizes.data(), nullptr), name);
    return {sizes.begin(), sizes.end()};
  }
};

void require_inside(const NamedDataset& dataset, const Hyperslab& slab, std::span<const std::int64_t> shape) {
  require_input(slab.count.size() == shape.size(),
                fmt::format("{} has shape {}, where {} dimensions are expected", dataset.name,
                            hdf5::text_of_shape(shape), slab.count.size()));
  require(slab.start.size() == shape.size() && (slab.stride.empty() || slab.stride.size() == shape.size()),
          "start, count and stride of a hyperslab have the same number of dimensions");
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    const auto stride = slab.stride.empty() ? 1 : slab.stride[axis];
    require(slab.start[axis] >= 0 && slab.count[axis] >= 0 && stride > 0, "a hyperslab starts at 0 or later");
    const auto end = slab.count[axis] == 0 ? 0 : slab.start[axis] + (slab.count[axis] - 1) * stride + 1;
    require_input(end <= shape[axis], fmt::format("{} has shape {}, where at least {} elements are expected along "
                                                  "dimension {}",
                                                  dataset.name, hdf5::text_of_shape(shape), end, axis));
  }
}

/// The parts of the file and of memory that a transfer connects.
struct Selected {
  hdf5::Dataspace file;
  hdf5::Dataspace memory;
};

/// Checks the slab; returns nothing when it is empty.
std::optional<Selected> select(const NamedDataset& dataset, const Hyperslab& slab, std::size_t value_count) {
  require_inside(dataset, slab, dataset.shape());
  const auto start = hdf5::to_hsize(slab.start);
  const auto count = hdf5::to_hsize(slab.count);
  const auto stride = slab.stride.empty() ? std::vector<hsize_t>(count.size(), 1) : hdf5::to_hsize(slab.stride);
  hsize_t elements = 1;
  for (const auto extent : count) {
    elements *= extent;
  }
  require(elements == value_count, "memory has as many elements as the hyperslab");
  if (elements == 0) {
    return std::nullopt;
  }
  Selected selection{.file = dataset.space(),
                     .memory = hdf5::Dataspace(hdf5::check(H5Screate_simple(1, &elements, nullptr), dataset.name))};
  if (!count.empty()) {  // a scalar dataset has nothing to select
    hdf5::check(
        H5Sselect_hyperslab(selection.file.get(), H5S_SELECT_SET, start.data(), stride.data(), count.data(), nullptr),
        dataset.name);
  }
  return selection;
}

void require_type(const NamedDataset& dataset, const ElementType& type, bool is_accepted, std::string_view accepted) {
  require_input(is_accepted, fmt::format("{} holds {}, where {} is expected", dataset.name, type.name, accepted));
}

void require_read(const NamedDataset& dataset, herr_t status) {
  require_input(status >= 0, fmt::format("{} cannot be read: {}", dataset.name, hdf5::last_message()));
}

/// Index in the dataset of element `place` of a dense slab.
std::vector<std::int64_t> index_in_dataset(const Hyperslab& slab, std::size_t place) {
  std::vector<std::int64_t> index(slab.count.size());
  auto rest = static_cast<std::int64_t>(place);
  for (std::size_t axis = index.size(); axis-- > 0;) {
    index[axis] = slab.start[axis] + rest % slab.count[axis] * (slab.stride.empty() ? 1 : slab.stride[axis]);
    rest /= slab.count[axis];
  }
  return index;
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
  const auto access = hdf5::serial_access();  // lives on: its end would clear HDF5's messages
  hdf5::File file(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()));
  if (!file) {
    const auto message = hdf5::last_message();
    refuse(H5Fis_hdf5(path.c_str()) == 0 ? "it is not an HDF5 file" : message);
  }
  return TensorReader(std::make_unique<State>(State{path, std::move(file)}));
}

const fs::path& TensorReader::path() const noexcept { return state_->path; }

bool TensorReader::has(const std::string& dataset) const {
  return has_dataset(state_->path, state_->file.get(), dataset);
}

TensorInfo TensorReader::describe(const std::string& dataset) const {
  const auto opened = state_->dataset(dataset);
  return {.shape = opened.shape(), .type = hdf5::element_type_of(opened.handle)};
}

std::optional<AttributeValue> TensorReader::attribute(const std::string& name) const {
  return hdf5::read_attribute(state_->file.get(), name);
}

void TensorReader::require_shape(const std::string& dataset, std::span<const std::int64_t> shape) const {
  const auto opened = state_->dataset(dataset);
  const auto found = opened.shape();
  require_input(std::ranges::equal(found, shape), fmt::format("{} has shape {}, where {} is expected", opened.name,
                                                              hdf5::text_of_shape(found), hdf5::text_of_shape(shape)));
}

void TensorReader::read(const std::string& dataset, const Hyperslab& slab, std::span<float> values) const {
  const auto opened = state_->dataset(dataset);
  const auto type = hdf5::element_type_of(opened.handle);
  require_type(opened, type, hdf5::is_floating(type.kind), hdf5::floating_types);
  const Phase phase = Phase::named(fmt::format("reading {}", opened.name));
  if (const auto selection = select(opened, slab, values.size())) {
    require_read(opened, hdf5::read_floats(opened.handle, type,
                                           {.memory = selection->memory.get(), .file = selection->file.get()}, values));
  }
}

void TensorReader::read(const std::string& dataset, const Hyperslab& slab, std::span<std::int32_t> values) const {
  const auto opened = state_->dataset(dataset);
  const auto type = hdf5::element_type_of(opened.handle);
  require_type(opened, type, type.kind == ElementKind::integer || type.kind == ElementKind::boolean,
               "an integer type, such as int32 or int64,");
  const Phase phase = Phase::named(fmt::format("reading {}", opened.name));
  const auto selection = select(opened, slab, values.size());
  if (!selection) {
    return;
  }
  std::vector<std::int64_t> wide(values.size());
  require_read(opened, hdf5::read_integers(opened.handle,
                                           {.memory = selection->memory.get(), .file = selection->file.get()}, wide));
  for (std::size_t i = 0; i < wide.size(); ++i) {
    require_input(std::in_range<std::int32_t>(wide[i]),
                  fmt::format("{} holds {} at ({}), which int32 cannot hold", opened.name, wide[i],
                              fmt::join(index_in_dataset(slab, i), ", ")));
    values[i] = static_cast<std::int32_t>(wide[i]);
  }
}

struct TensorWriter::State {
  OutputLock lock;
  PendingFile pending;
  hdf5::File file;
  std::int64_t planned = 16 * 1024;  ///< bytes that the file may grow to: its structure, then its tensors

  explicit State(const fs::path& path) : lock(OutputLock::acquire(path)), pending(path) {
    reserve(0);
    const auto access = hdf5::serial_access();
    file = hdf5::File(H5Fcreate(pending.temporary().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.get()));
    if (!file) {
      throw_cannot_write(path, hdf5::last_message());
    }
    reserve(0);  // again: the file was truncated
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { hdf5::discard(file, pending.temporary()); }

  void reserve(std::int64_t bytes) {
    planned += bytes;
    pending.reserve(planned);
  }
};

TensorWriter::TensorWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
TensorWriter::TensorWriter(TensorWriter&&) noexcept = default;
TensorWriter& TensorWriter::operator=(TensorWriter&&) noexcept = default;
TensorWriter::~TensorWriter() = default;

TensorWriter TensorWriter::create(const fs::path& path) {
  hdf5::silence_error_printing();
  return TensorWriter(std::make_unique<State>(path));
}

void TensorWriter::add(const std::string& dataset, std::span<const std::int64_t> shape, const std::string& meaning) {
  require(static_cast<bool>(state_->file), "the file is not finished yet");
  constexpr std::int64_t structure_bytes = 4096;  // of a dataset's header, its place in a group and its attribute
  state_->reserve(std::accumulate(shape.begin(), shape.end(), std::int64_t{sizeof(float)}, std::multiplies<>()) +
                  structure_bytes + std::ssize(meaning));
  const auto extents = hdf5::to_hsize(shape);
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
  const Phase phase = Phase::named(fmt::format("writing {}", dataset));
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
  hdf5::close_written(state_->file, state_->pending.temporary(), state_->pending.target());
  state_->pending.publish();
}

}  // namespace ringworld
