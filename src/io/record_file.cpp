#include "io/record_file.hpp"

#include <fmt/format.h>

#include <fstream>
#include <map>
#include <utility>

#include "core/activity.hpp"
#include "core/error.hpp"
#include "io/hdf5/attributes.hpp"
#include "io/hdf5/handles.hpp"
#include "io/hdf5/table.hpp"
#include "io/output_lock.hpp"
#include "io/pending_file.hpp"

namespace ringworld {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view format_name = "ringworld record";
constexpr std::int64_t format_version = 1;

/// Access to a file that lives in memory only.
hdf5::PropertyList memory_access() {
  constexpr std::size_t growth = 64 * 1024;  // bytes
  hdf5::PropertyList access(hdf5::check(H5Pcreate(H5P_FILE_ACCESS), "file access"));
  hdf5::check(H5Pset_fapl_core(access.get(), growth, false), "file in memory");
  return access;
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

struct RecordFile::State {
  fs::path path;
  std::optional<fs::path> backup;
  hdf5::File file;
  std::map<std::string, hdf5::Table, std::less<>> tables;  ///< those that were appended to

  OutputLock lock;

  /// @throws ringworld::Error (bad_input) when another job writes the record
  explicit State(fs::path path_in) : path(std::move(path_in)), lock(OutputLock::acquire(path)) {}
  State(fs::path path_in, OutputLock lock_in) : path(std::move(path_in)), lock(std::move(lock_in)) {}

  /// HDF5 takes two files in memory of the same name for one file, so each gets a name of its own.
  [[nodiscard]] std::string memory_name() const {
    return fmt::format("{}@{}", path.string(), static_cast<const void*>(this));
  }

  [[nodiscard]] std::vector<std::byte> image() const {
    hdf5::check(H5Fflush(file.get(), H5F_SCOPE_GLOBAL), "flushing the record");
    const auto size = hdf5::check(H5Fget_file_image(file.get(), nullptr, 0), "size of the record");
    std::vector<std::byte> bytes(static_cast<std::size_t>(size));
    hdf5::check(H5Fget_file_image(file.get(), bytes.data(), bytes.size()), "image of the record");
    return bytes;
  }

  /// The group or table of this name; a missing group is made.
  [[nodiscard]] hdf5::Object object(const std::string& name) const {
    if (!hdf5::exists(file.get(), name)) {
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
  PendingFile pending(path);
  state->file = hdf5::File(hdf5::check(
      H5Fcreate(state->memory_name().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, memory_access().get()), "record"));
  hdf5::write_attribute(state->file.get(), "format", std::string(format_name));
  hdf5::write_attribute(state->file.get(), "format_version", format_version);
  // The old file leaves only when the new one is known to be writable.
  pending.write(state->image());
  state->backup = back_up_file(pending.target());
  pending.publish();
  return RecordFile(std::move(state));
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
  require_input(starts_like_hdf5(content), fmt::format("cannot resume '{}': it is not an HDF5 file", path.string()));
  const auto access = memory_access();
  hdf5::check(H5Pset_file_image(access.get(), content.data(), content.size()), "image of the record");
  state->file = hdf5::File(H5Fopen(state->memory_name().c_str(), H5F_ACC_RDWR, access.get()));
  if (!state->file) {
    throw Error(ErrorKind::bad_input, fmt::format("cannot resume '{}': it is truncated or damaged ({})", path.string(),
                                                  hdf5::last_message()));
  }
  require_input(hdf5::read_attribute(state->file.get(), "format") == AttributeValue(std::string(format_name)),
                fmt::format("cannot resume '{}': it is an HDF5 file, but not a ringworld record", path.string()));
  require_input(hdf5::read_attribute(state->file.get(), "format_version") == AttributeValue(format_version),
                fmt::format("cannot resume '{}': its format version is not {}", path.string(), format_version));
  return RecordFile(std::move(state));
}

const fs::path& RecordFile::path() const noexcept { return state_->path; }

const std::optional<fs::path>& RecordFile::backup() const noexcept { return state_->backup; }

bool RecordFile::has(std::string_view path) const { return hdf5::exists(state_->file.get(), path); }

std::int64_t RecordFile::append_bytes(const RowLayout& layout, std::span<const std::byte> rows) {
  auto table = state_->tables.find(layout.path);
  if (table == state_->tables.end()) {
    table = state_->tables.emplace(std::string(layout.path), hdf5::Table::open_for_append(state_->file.get(), layout))
                .first;
  }
  return table->second.append(layout, rows);
}

std::int64_t RecordFile::row_count(const RowLayout& layout) const {
  return has(layout.path) ? hdf5::Table::open(state_->file.get(), layout).row_count() : 0;
}

void RecordFile::read_bytes(const RowLayout& layout, std::span<std::byte> rows) const {
  if (!rows.empty()) {
    hdf5::Table::open(state_->file.get(), layout).read(layout, rows);
  }
}

void RecordFile::make_group(const std::string& path) { static_cast<void>(state_->object(path)); }

void RecordFile::set_attribute(const std::string& object, const std::string& name, const AttributeValue& value) {
  hdf5::write_attribute(state_->object(object).get(), name, value);
}

std::optional<AttributeValue> RecordFile::attribute(const std::string& object, const std::string& name) const {
  return has(object) ? hdf5::read_attribute(state_->object(object).get(), name) : std::nullopt;
}

void RecordFile::commit() {
  const Phase phase = Phase::named(fmt::format("writing {}", state_->path.string()));
  PendingFile pending(state_->path);
  pending.write(state_->image());
  pending.publish();
}

}  // namespace ringworld
