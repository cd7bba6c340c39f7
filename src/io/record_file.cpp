#include "io/record_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <functional>
#include <map>
#include <numeric>
#include <utility>

#include "core/activity.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "io/descriptor.hpp"
#include "io/hdf5/attributes.hpp"
#include "io/hdf5/extendable.hpp"
#include "io/hdf5/handles.hpp"
#include "io/hdf5/table.hpp"
#include "io/hdf5/types.hpp"
#include "io/output_lock.hpp"
#include "io/output_path.hpp"
#include "io/pending_file.hpp"
#include "io/record_journal.hpp"

namespace ringworld {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view format_name = "ringworld record";
constexpr std::int64_t format_version = 1;

/// Attribute of the root: the byte at which the journal begins. Not there in a file that is plain HDF5.
constexpr const char* journal_attribute = "journal_begin";

/// A journal smaller than this is not folded for its size, in bytes.
constexpr std::int64_t small_journal = 1 << 20;
/// How often the size of an image is asked for before its journal.
constexpr int most_attempts = 8;

/// Access to a file that lives in memory only.
hdf5::PropertyList memory_access() {
  constexpr std::size_t growth = 64 * 1024;  // bytes
  hdf5::PropertyList access(hdf5::check(H5Pcreate(H5P_FILE_ACCESS), "file access"));
  hdf5::check(H5Pset_fapl_core(access.get(), growth, false), "file in memory");
  return access;
}

/// Bytes of a number of an array.
std::int64_t size_of_number(ColumnKind kind) {
  switch (kind) {
    case ColumnKind::uint8:
      return 1;
    case ColumnKind::int32:
    case ColumnKind::float32:
      return 4;
    default:
      return 8;  // NOLINT(readability-magic-numbers)
  }
}

/// An array as a column of one number.
Column number_column(const RecordArray& array) {
  Column column;
  column.name = array.path;
  column.kind = array.kind;
  column.size = size_of_number(array.kind);
  return column;
}

/// @throws ringworld::Error (bad_input) when there is no dataset of this path that holds numbers in one dimension
hdf5::Dataset open_array(hid_t file, const RecordArray& array) {
  hdf5::Dataset dataset(H5Dopen2(file, std::string(array.path).c_str(), H5P_DEFAULT));
  require_input(static_cast<bool>(dataset), fmt::format("the record has no array '{}'", array.path));
  const hdf5::Dataspace space(hdf5::check(H5Dget_space(dataset.get()), array.path));
  const hdf5::Datatype type(hdf5::check(H5Dget_type(dataset.get()), array.path));
  const H5T_class_t kind = H5Tget_class(type.get());
  require_input(H5Sget_simple_extent_ndims(space.get()) == 1 && (kind == H5T_INTEGER || kind == H5T_FLOAT),
                fmt::format("'{}' of the record is no array of numbers", array.path));
  return dataset;
}

void require_to_resume(const fs::path& path) {
  std::error_code ignored;
  require_input(fs::exists(path, ignored), fmt::format("cannot resume '{}': there is no such file", path.string()));
  require_input(fs::is_regular_file(path, ignored), fmt::format("cannot resume '{}': it is not a file", path.string()));
}

std::vector<char> read_whole_file(const fs::path& path) {
  std::error_code failed;
  const auto size = fs::file_size(path, failed);
  std::ifstream stream(path, std::ios::binary);
  std::vector<char> content(failed ? 0 : size);
  stream.read(content.data(), static_cast<std::streamsize>(content.size()));
  require_input(!failed && stream.good(), fmt::format("cannot resume '{}': it cannot be read", path.string()));
  return content;
}

bool starts_like_hdf5(const std::vector<char>& content) {
  constexpr std::string_view signature = "\x89HDF\r\n\x1a\n";
  return std::string_view(content.data(), content.size()).starts_with(signature);
}

}  // namespace

/// A file on disk as this process left it.
struct FileOnDisk {
  dev_t device = 0;
  ino_t inode = 0;
  std::int64_t image_bytes = 0;
  std::int64_t bytes = 0;    ///< image, start of the journal and whole commits
  std::int64_t commits = 0;  ///< of the journal
};

struct RecordFile::State {
  fs::path path;
  std::optional<fs::path> backup;
  hdf5::File file;
  std::map<std::string, hdf5::Table, std::less<>> tables;  ///< those that were appended to
  JournalCommit uncommitted;                               ///< rows that the file lacks
  bool has_new_structure = true;                           ///< whether it lacks more than rows
  bool is_changed = false;                                 ///< since the last commit
  std::optional<FileOnDisk> on_disk;                       ///< nothing: the next commit writes all of it

  OutputLock lock;

  /// @throws ringworld::Error (bad_input) when another job writes the record
  explicit State(fs::path path_in) : path(std::move(path_in)), lock(OutputLock::acquire(path)) {}
  State(fs::path path_in, OutputLock lock_in) : path(std::move(path_in)), lock(std::move(lock_in)) {}

  /// HDF5 takes two files in memory of the same name for one file, so each gets a name of its own.
  [[nodiscard]] std::string memory_name() const {
    return fmt::format("{}@{}", path.string(), static_cast<const void*>(this));
  }

  /// Bytes of the image, once what HDF5 holds back is in it.
  [[nodiscard]] std::int64_t image_bytes() const {
    hdf5::check(H5Fflush(file.get(), H5F_SCOPE_GLOBAL), "flushing the record");
    return hdf5::check(H5Fget_file_image(file.get(), nullptr, 0), "size of the record");
  }

  /// @param goes_on  whether a journal is to follow the image: then an attribute says where
  [[nodiscard]] std::vector<std::byte> image(bool goes_on) const {
    if (goes_on) {
      // The attribute is made first, as it may add to the size that it then holds; and as HDF5 may still move its own
      // end when it writes what it held back, the size is asked for until it stays.
      hdf5::write_attribute(file.get(), journal_attribute, std::int64_t{0});
      std::int64_t place = 0;
      for (int attempt = 0; attempt < most_attempts && place != image_bytes(); ++attempt) {
        place = image_bytes();
        hdf5::overwrite_integer(file.get(), journal_attribute, place);
      }
      require(place == image_bytes(), "the end of an HDF5 image does not settle");
    } else {
      hdf5::remove_attribute(file.get(), journal_attribute);
    }
    const std::int64_t size = image_bytes();
    std::vector<std::byte> bytes(static_cast<std::size_t>(size));
    hdf5::check(H5Fget_file_image(file.get(), bytes.data(), bytes.size()), "image of the record");
    return bytes;
  }

  /// Adds what a journal behind the image holds to the tables.
  /// @throws ringworld::Error (bad_input) that says what is damaged
  void take_journal(std::span<const std::byte> content) {
    const auto begin = hdf5::read_attribute(file.get(), journal_attribute);
    if (!begin.has_value()) {
      return;
    }
    const std::int64_t place = as_integer(*begin).value_or(-1);
    require_input(place > 0 && place <= std::ssize(content), std::string(missing_journal));
    const Journal journal = decode_journal(content.subspan(static_cast<std::size_t>(place)));
    for (const JournalCommit& commit : journal.commits) {
      for (const JournalRows& rows : commit) {
        hdf5::append_stored(file.get(), rows.dataset, rows.first, rows.count, rows.bytes);
      }
    }
    if (journal.ignored_bytes > 0) {
      log_warning(fmt::format("the last {} bytes of '{}' are of a commit that was not ended, and do not count",
                              journal.ignored_bytes, path.string()));
    }
  }

  /// Notes rows that a dataset has got. To be called after they were written to it.
  void note_rows(std::string_view name, const hdf5::Dataset& dataset, std::int64_t first) {
    const std::int64_t count = hdf5::element_count(dataset) - first;
    is_changed = is_changed || count > 0;
    if (has_new_structure || count == 0) {
      return;  // the next commit writes everything, or there is nothing to write
    }
    auto place = std::ranges::find(uncommitted, name, &JournalRows::dataset);
    if (place == uncommitted.end()) {
      place = uncommitted.insert(place, {.dataset = std::string(name), .first = first, .count = 0, .bytes = {}});
    }
    const std::vector<std::byte> bytes = hdf5::stored_elements(dataset, first, count);
    place->bytes.insert(place->bytes.end(), bytes.begin(), bytes.end());
    place->count += count;
  }

  /// The group or table of this name; a missing group is made.
  [[nodiscard]] hdf5::Object object(const std::string& name) {
    if (!hdf5::exists(file.get(), name)) {
      has_new_structure = true;
      const hdf5::Group made(hdf5::check(
          H5Gcreate2(file.get(), name.c_str(), hdf5::intermediate_groups().get(), H5P_DEFAULT, H5P_DEFAULT), name));
    }
    return hdf5::Object(hdf5::check(H5Oopen(file.get(), name.c_str(), H5P_DEFAULT), name));
  }
};

RecordFile::RecordFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
RecordFile::RecordFile(RecordFile&&) noexcept = default;
RecordFile& RecordFile::operator=(RecordFile&&) noexcept = default;
RecordFile::~RecordFile() = default;

RecordFile RecordFile::create(const fs::path& path) {
  hdf5::silence_error_printing();
  auto state = std::make_unique<State>(path);
  remove_stale_temporaries(path);
  state->file = hdf5::File(hdf5::check(
      H5Fcreate(state->memory_name().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, memory_access().get()), "record"));
  hdf5::write_attribute(state->file.get(), "format", std::string(format_name));
  hdf5::write_attribute(state->file.get(), "format_version", format_version);
  RecordFile record(std::move(state));
  record.write_image({.goes_on = true, .backs_up = true});
  return record;
}

RecordFile RecordFile::resume(const fs::path& path) {
  hdf5::silence_error_printing();
  require_to_resume(path);
  RecordFile record = load(std::make_unique<State>(path));  // from here on nobody else changes the file
  remove_stale_temporaries(path);
  const PendingFile probe(path);  // throws now, not after the first hours of work, when the file cannot be replaced
  return record;
}

RecordFile RecordFile::stand_in(const fs::path& path) {
  hdf5::silence_error_printing();
  require_to_resume(path);
  return load(std::make_unique<State>(path, OutputLock()));
}

RecordFile RecordFile::load(std::unique_ptr<State> state) {
  const fs::path& path = state->path;
  auto content = read_whole_file(path);
  const auto refuse = [&](std::string_view why) {
    throw Error(ErrorKind::bad_input, fmt::format("cannot resume '{}': {}", path.string(), why));
  };
  require_input(starts_like_hdf5(content), fmt::format("cannot resume '{}': it is not an HDF5 file", path.string()));
  const auto access = memory_access();
  hdf5::check(H5Pset_file_image(access.get(), content.data(), content.size()), "image of the record");
  state->file = hdf5::File(H5Fopen(state->memory_name().c_str(), H5F_ACC_RDWR, access.get()));
  if (!state->file) {
    refuse(fmt::format("it is truncated or damaged ({})", hdf5::last_message()));
  }
  if (hdf5::read_attribute(state->file.get(), "format") != AttributeValue(std::string(format_name))) {
    refuse("it is an HDF5 file, but not a ringworld record");
  }
  if (hdf5::read_attribute(state->file.get(), "format_version") != AttributeValue(format_version)) {
    refuse(fmt::format("its format version is not {}", format_version));
  }
  try {
    state->take_journal(std::as_bytes(std::span(content)));
  } catch (const Error& error) {
    refuse(fmt::format("it is truncated or damaged ({})", error.what()));
  }
  return RecordFile(std::move(state));
}

const fs::path& RecordFile::path() const noexcept { return state_->path; }

const std::optional<fs::path>& RecordFile::backup() const noexcept { return state_->backup; }

bool RecordFile::has(std::string_view path) const { return hdf5::exists(state_->file.get(), path); }

std::int64_t RecordFile::append_bytes(const RowLayout& layout, std::span<const std::byte> rows) {
  auto table = state_->tables.find(layout.path);
  if (table == state_->tables.end()) {
    state_->has_new_structure = true;  // the table itself, its columns, or what they mean
    table = state_->tables.emplace(std::string(layout.path), hdf5::Table::open_for_append(state_->file.get(), layout))
                .first;
  }
  const std::int64_t first = table->second.append(layout, rows);
  state_->note_rows(layout.path, table->second.dataset(), first);
  return first;
}

std::int64_t RecordFile::append_elements(const RecordArray& array, std::int64_t count,
                                         std::span<const std::byte> elements) {
  constexpr std::int64_t numbers_per_chunk = 4096;
  const std::string path(array.path);
  const auto type = hdf5::type_of(number_column(array));
  hdf5::Dataset dataset;
  if (has(path)) {
    dataset = open_array(state_->file.get(), array);
  } else {
    state_->has_new_structure = true;
    dataset = hdf5::create_extendable(state_->file.get(), path, type.get(), numbers_per_chunk);
    hdf5::write_attribute(dataset.get(), "meaning", std::string(array.meaning));
    hdf5::write_attribute(dataset.get(), "unit", std::string(array.unit));
  }
  const std::int64_t first = hdf5::append_elements(dataset, count, type.get(), elements.data());
  state_->note_rows(path, dataset, first);
  return first;
}

void RecordFile::read_elements(const RecordArray& array, std::int64_t first, std::span<std::byte> elements) const {
  const Column column = number_column(array);
  const std::int64_t count = std::ssize(elements) / column.size;
  if (count == 0) {
    return;
  }
  const hdf5::Dataset dataset = open_array(state_->file.get(), array);
  require_input(first >= 0 && first + count <= hdf5::element_count(dataset),
                fmt::format("'{}' of the record has fewer numbers than its rows speak of", array.path));
  hdf5::read_elements(dataset, first, count, hdf5::type_of(column).get(), elements.data());
}

std::int64_t RecordFile::append_from(const RecordFile& other, const RecordArray& array, std::int64_t first,
                                     std::int64_t count) {
  std::vector<std::byte> elements(static_cast<std::size_t>(count * number_column(array).size));
  other.read_elements(array, first, elements);
  return append_elements(array, count, elements);
}

std::int64_t RecordFile::row_count(const RowLayout& layout) const {
  return has(layout.path) ? hdf5::Table::open(state_->file.get(), layout).row_count() : 0;
}

void RecordFile::read_bytes(const RowLayout& layout, std::span<std::byte> rows) const {
  if (!rows.empty()) {
    hdf5::Table::open(state_->file.get(), layout).read(layout, rows);
  }
}

void RecordFile::write_block(const std::string& path, std::span<const std::int64_t> shape,
                             std::span<const std::int32_t> values, const std::string& meaning) {
  const std::vector<hsize_t> extents(shape.begin(), shape.end());
  const auto count = std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
  require(count == std::ssize(values), "a block has as many values as its shape says");
  require(!has(path), "a block has a path of its own");
  hid_t const file = state_->file.get();
  const hdf5::Dataspace space(
      hdf5::check(H5Screate_simple(static_cast<int>(extents.size()), extents.data(), nullptr), path));
  const hdf5::Dataset dataset(hdf5::check(H5Dcreate2(file, path.c_str(), H5T_STD_I32LE, space.get(),
                                                     hdf5::intermediate_groups().get(), H5P_DEFAULT, H5P_DEFAULT),
                                          path));
  hdf5::check(H5Dwrite(dataset.get(), H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()), path);
  hdf5::write_attribute(dataset.get(), "meaning", meaning);
  state_->has_new_structure = true;
  state_->is_changed = true;
}

void RecordFile::make_group(const std::string& path) {
  static_cast<void>(state_->object(path));
  state_->is_changed = true;
}

void RecordFile::set_attribute(const std::string& object, const std::string& name, const AttributeValue& value) {
  hdf5::write_attribute(state_->object(object).get(), name, value);
  state_->has_new_structure = true;
  state_->is_changed = true;
}

std::optional<AttributeValue> RecordFile::attribute(const std::string& object, const std::string& name) const {
  return has(object) ? hdf5::read_attribute(state_->object(object).get(), name) : std::nullopt;
}

bool RecordFile::has_uncommitted() const noexcept { return state_->is_changed; }

void RecordFile::commit() {
  const Phase phase = Phase::named(fmt::format("writing {}", state_->path.string()));
  if (state_->has_new_structure || !append_commit()) {
    write_image({.goes_on = true, .backs_up = false});
  }
}

void RecordFile::fold() {
  const Phase phase = Phase::named(fmt::format("writing {}", state_->path.string()));
  write_image({.goes_on = false, .backs_up = false});
}

void RecordFile::write_image(ImageOptions options) {
  std::vector<std::byte> content = state_->image(options.goes_on);
  const std::int64_t image_bytes = std::ssize(content);
  if (options.goes_on) {
    const std::vector<std::byte> start = journal_start();
    content.insert(content.end(), start.begin(), start.end());
  }
  PendingFile pending(state_->path);
  pending.write(content);
  if (options.backs_up) {
    state_->backup = back_up_file(pending.target());  // it leaves only when the new file is known to be writable
  }
  state_->on_disk.reset();  // whatever happens now, the file need not be what it was
  pending.publish();
  state_->uncommitted.clear();
  state_->has_new_structure = false;
  state_->is_changed = false;
  struct stat file{};
  if (options.goes_on && ::stat(state_->path.c_str(), &file) == 0) {
    state_->on_disk = {.device = file.st_dev,
                       .inode = file.st_ino,
                       .image_bytes = image_bytes,
                       .bytes = std::ssize(content),
                       .commits = 0};
  }
}

/// @return false when the file has to be written as a whole: it is not as this process left it, or its journal is long
bool RecordFile::append_commit() {
  if (!state_->on_disk.has_value()) {
    return false;
  }
  FileOnDisk& left = *state_->on_disk;
  const auto bytes =
      state_->uncommitted.empty() ? std::vector<std::byte>() : encode_commit(left.commits, state_->uncommitted);
  const std::int64_t journal_bytes = left.bytes - left.image_bytes + std::ssize(bytes);
  if (journal_bytes > std::max(small_journal, left.image_bytes)) {
    return false;
  }
  const Descriptor file(::open(state_->path.c_str(), O_WRONLY | O_CLOEXEC));
  struct stat found{};
  const bool is_as_left = file && ::fstat(file.get(), &found) == 0 && found.st_dev == left.device &&
                          found.st_ino == left.inode && found.st_size >= left.bytes;
  if (!is_as_left) {
    return false;
  }
  const auto fail = [&] {
    const int error = errno;
    static_cast<void>(::ftruncate(file.get(), left.bytes));
    throw_cannot_write(state_->path, error);
  };
  // Removes bytes that a failed append may have left.
  if (found.st_size > left.bytes && ::ftruncate(file.get(), left.bytes) != 0) {
    fail();
  }
  for (std::span<const std::byte> rest(bytes); !rest.empty();) {
    const auto place = left.bytes + std::ssize(bytes) - std::ssize(rest);
    const auto written = ::pwrite(file.get(), rest.data(), rest.size(), place);
    if (written < 0 && errno != EINTR) {
      fail();
    }
    rest = rest.subspan(written > 0 ? static_cast<std::size_t>(written) : 0);
  }
  if (!bytes.empty() && ::fdatasync(file.get()) != 0) {
    fail();
  }
  left.bytes += std::ssize(bytes);
  left.commits += bytes.empty() ? 0 : 1;
  state_->uncommitted.clear();
  state_->is_changed = false;
  return true;
}

}  // namespace ringworld
