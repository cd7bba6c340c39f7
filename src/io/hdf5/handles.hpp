#pragma once
/// @file  Ownership of HDF5 identifiers, and the check of its return codes. Private to src/io.

#include <hdf5.h>

#include <concepts>
#include <cstdint>
#include <source_location>
#include <string>
#include <string_view>

#include "core/unique_handle.hpp"

namespace ringworld::hdf5 {

static_assert(std::same_as<hid_t, std::int64_t>, "HDF5 1.10 or newer is needed");

template <herr_t (*Close)(hid_t)>
struct HandleTraits {
  using Handle = hid_t;
  static Handle null() noexcept { return -1; }
  static void close(Handle handle) noexcept { Close(handle); }
};

using File = UniqueHandle<HandleTraits<H5Fclose>>;
using Group = UniqueHandle<HandleTraits<H5Gclose>>;
using Object = UniqueHandle<HandleTraits<H5Oclose>>;
using Dataset = UniqueHandle<HandleTraits<H5Dclose>>;
using Dataspace = UniqueHandle<HandleTraits<H5Sclose>>;
using Datatype = UniqueHandle<HandleTraits<H5Tclose>>;
using Attribute = UniqueHandle<HandleTraits<H5Aclose>>;
using PropertyList = UniqueHandle<HandleTraits<H5Pclose>>;

/// Stops HDF5 from printing its error stack on stderr; errors are thrown instead. To be called before a file is opened.
void silence_error_printing();

/// The innermost message of the call that failed last, for example "bad object header version number".
[[nodiscard]] std::string last_message();

/// Version of the library that runs, which may differ from the one that was compiled against.
[[nodiscard]] std::string library_version();

[[noreturn]] void throw_last_error(std::string_view what, std::source_location where);

/// Returns `code`, or throws Error (internal) with `what` and HDF5's own innermost message when it is negative.
template <std::signed_integral Code>
Code check(Code code, std::string_view what, std::source_location where = std::source_location::current()) {
  if (code < 0) {
    throw_last_error(what, where);
  }
  return code;
}

/// Whether `path` leads to an object; false too when a group on the way is missing.
/// @throws Error (bad_input) when a link on the way leads nowhere: whoever made it meant something to be there.
[[nodiscard]] bool exists(hid_t file, std::string_view path);

/// Link creation that makes the missing groups on the way, with names in UTF-8.
[[nodiscard]] PropertyList intermediate_groups();

/// Access to a file by one process. HDF5 locks what it opens, but takes a file system without locks as it is;
/// HDF5_USE_FILE_LOCKING has the last word.
[[nodiscard]] PropertyList serial_access();

}  // namespace ringworld::hdf5
