#include "io/checkpoint.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <functional>
#include <numeric>
#include <system_error>
#include <utility>

#include "core/activity.hpp"
#include "core/error.hpp"
#include "io/descriptor.hpp"
#include "io/hdf5/attributes.hpp"
#include "io/hdf5/discard.hpp"
#include "io/hdf5/handles.hpp"
#include "io/hdf5/numbers.hpp"
#include "io/hdf5/parallel.hpp"
#include "io/hdf5/shapes.hpp"
#include "io/hdf5/short_name.hpp"
#include "io/hdf5/virtual_sources.hpp"
#include "io/output_lock.hpp"
#include "io/output_path.hpp"
#include "io/pending_file.hpp"

namespace ringworld {

namespace fs = std::filesystem;

namespace {

/// Elements in the file and in memory that belong together.
struct Selection {
  hdf5::Dataspace file;
  hdf5::Dataspace memory;

  Selection(hdf5::Dataspace whole, const TensorRange& range, const std::string& name) : file(std::move(whole)) {
    const hsize_t elements = static_cast<hsize_t>(std::max<std::int64_t>(range.size(), 1));
    memory = hdf5::Dataspace(hdf5::check(H5Screate_simple(1, &elements, nullptr), name));
    hdf5::check(H5Sselect_none(file.get()), name);
    if (range.size() == 0) {
      hdf5::check(H5Sselect_none(memory.get()), name);
    }
    const std::vector<TensorBox> boxes = boxes_of(range);
    if (range.shape.size() > 2) {  // whole, or nothing
      if (!boxes.empty()) {
        hdf5::check(H5Sselect_all(file.get()), name);
      }
      return;
    }
    H5S_seloper_t how = H5S_SELECT_SET;
    for (const TensorBox& box : boxes) {
      const std::array<hsize_t, 2> start{static_cast<hsize_t>(box.row), static_cast<hsize_t>(box.column)};
      const std::array<hsize_t, 2> count{static_cast<hsize_t>(box.rows), static_cast<hsize_t>(box.columns)};
      hdf5::check(H5Sselect_hyperslab(file.get(), std::exchange(how, H5S_SELECT_OR), start.data(), nullptr,
                                      count.data(), nullptr),
                  name);
    }
  }
};

[[noreturn]] void refuse(const fs::path& path, std::string_view why) {
  throw Error(ErrorKind::bad_input, fmt::format("cannot read '{}': {}", path.string(), why));
}

}  // namespace

namespace {

/// Writes all of it at a place of the file.
void write_at(const Descriptor& file, std::span<const float> values, std::int64_t place, const fs::path& path) {
  constexpr std::size_t largest_write = std::size_t{1} << 28;  // bytes
  std::span<const std::byte> bytes = std::as_bytes(values);
  while (!bytes.empty()) {
    note_progress();
    const ssize_t written = ::pwrite(file.get(), bytes.data(), std::min(bytes.size(), largest_write), place);
    if (written < 0 && errno != EINTR) {
      throw_cannot_write(path, errno);
    }
    if (written > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(written));
      place += written;
    }
  }
}

/// Fills all of it from a place of the file on.
/// @param label  what is read, for messages
void read_at(const Descriptor& file, std::span<float> values, std::int64_t place, const std::string& label) {
  constexpr std::size_t largest_read = std::size_t{1} << 28;  // bytes
  std::span<std::byte> bytes = std::as_writable_bytes(values);
  while (!bytes.empty()) {
    note_progress();
    const ssize_t got = ::pread(file.get(), bytes.data(), std::min(bytes.size(), largest_read), place);
    if (got > 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(got));
      place += got;
    } else if (got == 0 || errno != EINTR) {
      throw Error(ErrorKind::bad_input,
                  fmt::format("{} cannot be read: {}", label,
                              got == 0 ? "the file has become shorter" : std::generic_category().message(errno)));
    }
  }
}

/// Calls `function(first, count)` for each run of elements of a range that lie one behind the other in the file, by the
/// number of the first of them.
template <class Function>
void for_each_run(const TensorRange& range, const Function& function) {
  const std::int64_t row_elements = range.shape.size() == 2 ? range.shape[1] : 1;
  for (const TensorBox& box : boxes_of(range)) {
    const bool is_dense = box.columns == row_elements;
    const std::int64_t runs = is_dense ? 1 : box.rows;
    const std::int64_t run_elements = is_dense ? box.rows * box.columns : box.columns;
    for (std::int64_t run = 0; run < runs; ++run) {
      function((box.row + run) * row_elements + box.column, static_cast<std::size_t>(run_elements));
    }
  }
}

static_assert(std::endian::native == std::endian::little, "elements are written and read as they lie in memory");

}  // namespace

struct CheckpointWriter::State {
  Communicator communicator;
  fs::path path;
  std::optional<OutputLock> lock;      // on the root
  std::optional<PendingFile> pending;  // on the root
  fs::path temporary;
  hdf5::File file;                   // on the root: the file's structure
  Descriptor elements;               // on every rank: the datasets' elements
  std::int64_t planned = 16 * 1024;  ///< bytes that the file may grow to: its structure, then its tensors
  bool is_published = false;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { hdf5::discard(file, temporary); }

  /// The disk must have room before the ranks write together.
  void reserve(std::int64_t bytes) {
    planned += bytes;
    on_root(communicator, [&] { pending->reserve(planned); });
  }

  /// Makes a dataset on the root; where its elements begin in the file, on every rank.
  [[nodiscard]] std::int64_t make_dataset(const std::string& name, std::span<const std::int64_t> shape) const;
  void write(const TensorRange& range, std::span<const float> values, std::int64_t place) const;
};

CheckpointWriter::CheckpointWriter(const Communicator& communicator, const fs::path& path)
    : state_(std::make_unique<State>()) {
  hdf5::silence_error_printing();
  state_->communicator = communicator;
  state_->path = path;
  on_root(communicator, [&] {
    state_->lock = OutputLock::acquire(path);
    remove_stale_temporaries(path);
    state_->pending.emplace(path);
  });
  state_->temporary =
      communicator.broadcast(state_->pending ? state_->pending->temporary().string() : std::string(), 0);
  state_->reserve(0);
  on_root(communicator, [&] {
    const auto access = hdf5::serial_access();
    state_->file = hdf5::File(H5Fcreate(state_->temporary.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.get()));
    if (!state_->file) {
      throw_cannot_write(path, hdf5::last_message());
    }
  });
  state_->reserve(0);  // again: the file was truncated
  on_every_rank(communicator, [&] {
    state_->elements = Descriptor(::open(state_->temporary.c_str(), O_WRONLY | O_CLOEXEC));
    if (!state_->elements) {
      throw_cannot_write(path, errno);
    }
  });
}

CheckpointWriter::~CheckpointWriter() = default;

void CheckpointWriter::write(const std::string& name, const TensorRange& range, std::span<const float> values) {
  const Phase phase = Phase::named(fmt::format("writing {}", name));
  require(!state_->is_published, "the checkpoint is not published yet");
  require(static_cast<std::int64_t>(values.size()) == range.size(), "as many values as the range has elements");
  constexpr std::int64_t structure_bytes = 4096;  // of a dataset's header and its place in a group
  state_->reserve(
      std::accumulate(range.shape.begin(), range.shape.end(), std::int64_t{sizeof(float)}, std::multiplies<>()) +
      structure_bytes);
  const std::int64_t place = state_->make_dataset(name, range.shape);
  // A rank that cannot write its part must not go on alone.
  on_every_rank(state_->communicator, [&] { state_->write(range, values, place); });
}

std::int64_t CheckpointWriter::State::make_dataset(const std::string& name, std::span<const std::int64_t> shape) const {
  std::int64_t place = 0;
  on_root(communicator, [&] {
    const auto extents = hdf5::to_hsize(shape);
    const hdf5::Dataspace space(
        hdf5::check(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), name));
    const hdf5::PropertyList creation(hdf5::check(H5Pcreate(H5P_DATASET_CREATE), name));
    hdf5::check(H5Pset_alloc_time(creation.get(), H5D_ALLOC_TIME_EARLY), name);
    hdf5::check(H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER), name);  // every element is written
    const hdf5::Dataset dataset(H5Dcreate2(file.get(), name.c_str(), H5T_IEEE_F32LE, space.get(),
                                           hdf5::intermediate_groups().get(), creation.get(), H5P_DEFAULT));
    if (!dataset) {
      throw_cannot_write(path, fmt::format("dataset '{}': {}", name, hdf5::last_message()));
    }
    const haddr_t begin = H5Dget_offset(dataset.get());
    require(begin != HADDR_UNDEF, "a dataset of a checkpoint has its place from the start");
    place = static_cast<std::int64_t>(begin);
  });
  communicator.broadcast(std::as_writable_bytes(std::span(&place, 1)), 0);
  return place;
}

void CheckpointWriter::State::write(const TensorRange& range, std::span<const float> values, std::int64_t place) const {
  for_each_run(range, [&](std::int64_t first, std::size_t count) {
    write_at(elements, values.first(count), place + first * std::int64_t{sizeof(float)}, path);
    values = values.subspan(count);
  });
}

void CheckpointWriter::set_attribute(const std::string& name, const AttributeValue& value) {
  require(!state_->is_published, "the checkpoint is not published yet");
  constexpr std::int64_t structure_bytes = 1024;
  const auto* const text = std::get_if<std::string>(&value);
  state_->reserve(structure_bytes + (text == nullptr ? 0 : std::ssize(*text)));
  on_root(state_->communicator, [&] { hdf5::write_attribute(state_->file.get(), name, value); });
}

void CheckpointWriter::publish() {
  const Phase phase = Phase::named(fmt::format("bringing {} to disk", state_->path.string()));
  require(!state_->is_published, "a checkpoint is published once");
  state_->is_published = true;
  // Each rank brings its own part to the disk, and hears of what a write only promised.
  on_every_rank(state_->communicator, [&] {
    if (::fsync(state_->elements.get()) != 0) {
      throw_cannot_write(state_->path, errno);
    }
    state_->elements.reset();
  });
  on_root(state_->communicator, [&] {
    hdf5::close_written(state_->file, state_->temporary, state_->path);
    state_->pending->publish();
  });
}

struct CheckpointReader::State {
  Communicator communicator;
  fs::path path;
  std::optional<hdf5::ShortName> short_name;
  hdf5::File file;
  Descriptor elements;  // of datasets that lie in the file as they lie in memory
  hdf5::PropertyList transfer;
};

CheckpointReader::CheckpointReader(const Communicator& communicator, const fs::path& path)
    : state_(std::make_unique<State>()) {
  hdf5::silence_error_printing();
  state_->communicator = communicator;
  state_->path = path;
  on_root(communicator, [&] {
    std::error_code ignored;
    if (!fs::exists(path, ignored)) {
      refuse(path, "there is no such file");
    }
    if (!fs::is_regular_file(path, ignored)) {
      refuse(path, "it is not a file");
    }
    if (H5Fis_hdf5(path.c_str()) <= 0) {
      refuse(path, "it is not an HDF5 file");
    }
  });
  on_every_rank(communicator, [&] {
    const auto access = hdf5::parallel_access(communicator);
    state_->short_name.emplace(path);
    state_->file = hdf5::File(H5Fopen(state_->short_name->c_str(), H5F_ACC_RDONLY, access.get()));
    if (!state_->file) {
      refuse(path, hdf5::last_message());
    }
    state_->elements = Descriptor(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!state_->elements) {
      refuse(path, std::generic_category().message(errno));
    }
    state_->transfer = hdf5::collective_transfer();
  });
}

CheckpointReader::~CheckpointReader() = default;

const fs::path& CheckpointReader::path() const noexcept { return state_->path; }

const Communicator& CheckpointReader::communicator() const noexcept { return state_->communicator; }

namespace {

/// hdf5::exists, whose error names the file and is of all ranks.
bool exists_in(const fs::path& path, hid_t file, const std::string& name) {
  try {
    return hdf5::exists(file, name);
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("'{}': {}", path.string(), error.what()), error.where()).as_collective();
  }
}

/// A dataset of floating-point numbers of this shape. All ranks see the same file, so all of them throw what follows.
struct TensorDataset {
  std::string label;
  hdf5::Dataset handle;
  ElementType type;
  hdf5::Dataspace space;
  std::vector<std::int64_t> shape;

  TensorDataset(hid_t file, const fs::path& path, const std::string& name)
      : label(fmt::format("dataset '{}' of '{}'", name, path.string())) {
    require_file(exists_in(path, file, name), fmt::format("'{}' has no dataset '{}'", path.string(), name));
    handle = hdf5::Dataset(H5Dopen2(file, name.c_str(), H5P_DEFAULT));
    require_file(static_cast<bool>(handle), fmt::format("{} cannot be opened: {}", label, hdf5::last_message()));
    const auto missing = hdf5::missing_source(handle);
    require_file(!missing.has_value(),
                 fmt::format("{} takes elements from {}, which is not there", label, missing.value_or("")));
    type = hdf5::element_type_of(handle);
    require_file(hdf5::is_floating(type.kind),
                 fmt::format("{} holds {}, where {} is expected", label, type.name, hdf5::floating_types));
    space = hdf5::Dataspace(hdf5::check(H5Dget_space(handle.get()), label));
    std::vector<hsize_t> found(static_cast<std::size_t>(hdf5::check(H5Sget_simple_extent_ndims(space.get()), label)));
    hdf5::check(H5Sget_simple_extent_dims(space.get(), found.data(), nullptr), label);
    shape.assign(found.begin(), found.end());
  }

  /// Where the elements begin in the file, one behind the other, as float32 of this machine; nothing where they are
  /// stored otherwise: in chunks, compressed, of another type, in another file, or not at all.
  [[nodiscard]] std::optional<std::int64_t> place_in(hid_t file) const {
    const hdf5::PropertyList creation(hdf5::check(H5Dget_create_plist(handle.get()), label));
    const hdf5::Datatype stored(hdf5::check(H5Dget_type(handle.get()), label));
    if (H5Pget_layout(creation.get()) != H5D_CONTIGUOUS || H5Pget_external_count(creation.get()) != 0 ||
        H5Tequal(stored.get(), H5T_IEEE_F32LE) <= 0) {
      return std::nullopt;
    }
    H5O_info_t here;
    H5O_info_t of_file;
    hdf5::check(H5Oget_info(handle.get(), &here), label);
    hdf5::check(H5Oget_info(file, &of_file), label);
    const haddr_t begin = H5Dget_offset(handle.get());
    if (here.fileno != of_file.fileno || begin == HADDR_UNDEF) {
      return std::nullopt;
    }
    return static_cast<std::int64_t>(begin);
  }

  void require_shape(std::span<const std::int64_t> expected) const {
    require_file(std::ranges::equal(shape, expected),
                 fmt::format("{} has shape {}, where {} is expected", label, hdf5::text_of_shape(shape),
                             hdf5::text_of_shape(expected)));
  }

 private:
  static void require_file(bool condition, const std::string& message) {
    if (!condition) {
      throw Error(ErrorKind::bad_input, message).as_collective();
    }
  }
};

}  // namespace

bool CheckpointReader::has(const std::string& name) const { return exists_in(state_->path, state_->file.get(), name); }

void CheckpointReader::require_tensor(const std::string& name, std::span<const std::int64_t> shape) const {
  TensorDataset(state_->file.get(), state_->path, name).require_shape(shape);
}

TensorInfo CheckpointReader::describe(const std::string& name) const {
  TensorDataset dataset(state_->file.get(), state_->path, name);
  return {.shape = std::move(dataset.shape), .type = std::move(dataset.type)};
}

void CheckpointReader::read(const std::string& name, const TensorRange& range, std::span<float> values) const {
  const Phase phase = Phase::named(fmt::format("reading {}", name));
  require(static_cast<std::int64_t>(values.size()) == range.size(), "as many values as the range has elements");
  // A read error on one rank ends the run on all ranks, with one error.
  on_every_rank(state_->communicator, [&] {
    TensorDataset dataset(state_->file.get(), state_->path, name);
    dataset.require_shape(range.shape);
    // HDF5's collective reads pass through buffers of some ranks, 32 MiB each with Open MPI.
    if (const std::optional<std::int64_t> place = dataset.place_in(state_->file.get())) {
      for_each_run(range, [&](std::int64_t first, std::size_t count) {
        read_at(state_->elements, values.first(count), *place + first * std::int64_t{sizeof(float)}, dataset.label);
        values = values.subspan(count);
      });
      return;
    }
    const Selection selection(std::move(dataset.space), range, dataset.label);
    const auto status = hdf5::read_floats(
        dataset.handle, dataset.type,
        {.memory = selection.memory.get(), .file = selection.file.get(), .properties = state_->transfer.get()}, values);
    require_input(status >= 0, fmt::format("{} cannot be read: {}", dataset.label, hdf5::last_message()));
  });
}

std::vector<std::string> CheckpointReader::datasets() const {
  std::vector<std::string> links;
  const auto keep = [](hid_t /*group*/, const char* name, const H5L_info_t* /*info*/, void* kept) -> herr_t {
    static_cast<std::vector<std::string>*>(kept)->emplace_back(name);
    return 0;
  };
  hdf5::check(H5Lvisit(state_->file.get(), H5_INDEX_NAME, H5_ITER_INC, keep, &links), state_->path.string());
  std::erase_if(links, [&](const std::string& link) {
    static_cast<void>(has(link));  // throws when it leads nowhere
    const hdf5::Object object(hdf5::check(H5Oopen(state_->file.get(), link.c_str(), H5P_DEFAULT), link));
    return H5Iget_type(object.get()) != H5I_DATASET;
  });
  return links;
}

std::vector<std::string> CheckpointReader::attribute_names() const { return hdf5::attribute_names(state_->file.get()); }

std::optional<AttributeValue> CheckpointReader::attribute(const std::string& name) const {
  try {
    return hdf5::read_attribute(state_->file.get(), name);
  } catch (const Error& error) {
    throw Error(ErrorKind::bad_input, fmt::format("'{}': {}", state_->path.string(), error.what())).as_collective();
  }
}

}  // namespace ringworld
