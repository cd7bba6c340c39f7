#include "io/hdf5/handles.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/error.hpp"

namespace ringworld::hdf5 {

namespace {

/// H5E_walk2_t: keeps the description of the first error met.
herr_t keep_description(unsigned /*position*/, const H5E_error2_t* error, void* kept) {
  if (error->desc != nullptr) {
    *static_cast<std::string*>(kept) = error->desc;
  }
  return 1;  // stop
}

/// "file write failed: time = ..., errno = 28, error message = 'No space left on device', ..." without what is not for
/// people, in one line.
std::string without_details(std::string message) {
  constexpr std::string_view mark = "error message = '";
  std::ranges::replace(message, '\n', ' ');
  const auto begin = message.find(mark);
  if (begin == std::string::npos) {
    return message;
  }
  const auto reason = begin + mark.size();
  return fmt::format("{}: {}", message.substr(0, message.find_first_of(":,")),
                     message.substr(reason, message.find('\'', reason) - reason));
}

/// Description of a soft or external link, for messages.
std::string target_of(hid_t file, const std::string& link) {
  H5L_info_t info{};
  if (H5Lget_info(file, link.c_str(), &info, H5P_DEFAULT) < 0 || info.type == H5L_TYPE_HARD) {
    return "an object";
  }
  std::vector<char> value(info.u.val_size + 1, '\0');
  if (H5Lget_val(file, link.c_str(), value.data(), info.u.val_size, H5P_DEFAULT) < 0) {
    return "an object";
  }
  if (info.type == H5L_TYPE_SOFT) {
    return fmt::format("'{}'", value.data());
  }
  unsigned flags = 0;
  const char* other = nullptr;
  const char* object = nullptr;
  if (H5Lunpack_elink_val(value.data(), info.u.val_size, &flags, &other, &object) < 0) {
    return "an object of another file";
  }
  return fmt::format("'{}' of file '{}'", object, other);
}

}  // namespace

void silence_error_printing() {
  H5open();
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

std::string last_message() {
  std::string message;
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_description, &message);
  message = without_details(message);
  if (message.find("unable to lock file") != std::string::npos) {
    message +=
        "; another program has it open, or its file system has no locks: HDF5_USE_FILE_LOCKING=FALSE opens it without";
  }
  return message.empty() ? "no message from HDF5" : message;
}

std::string library_version() {
  unsigned major = 0;
  unsigned minor = 0;
  unsigned release = 0;
  check(H5get_libversion(&major, &minor, &release), "HDF5 version");
  return fmt::format("{}.{}.{}", major, minor, release);
}

void throw_last_error(std::string_view what, std::source_location where) {
  throw Error(ErrorKind::internal, fmt::format("HDF5: {}: {}", what, last_message()), where);
}

bool exists(hid_t file, std::string_view path) {
  // H5Lexists fails, instead of answering no, when a group on the way is missing: ask for one link after another.
  std::string prefix;
  while (true) {
    const auto begin = path.find_first_not_of('/');
    if (begin == std::string_view::npos) {
      return true;
    }
    path.remove_prefix(begin);
    const auto name = path.substr(0, path.find('/'));
    path.remove_prefix(name.size());
    prefix.append("/").append(name);
    // A link below something that is not a group cannot be asked for.
    if (H5Lexists(file, prefix.c_str(), H5P_DEFAULT) <= 0) {
      return false;
    }
    require_input(H5Oexists_by_name(file, prefix.c_str(), H5P_DEFAULT) > 0,
                  fmt::format("the link '{}' leads to {}, which is not there", prefix, target_of(file, prefix)));
  }
}

PropertyList intermediate_groups() {
  PropertyList list(check(H5Pcreate(H5P_LINK_CREATE), "link creation"));
  check(H5Pset_create_intermediate_group(list.get(), 1), "link creation");
  check(H5Pset_char_encoding(list.get(), H5T_CSET_UTF8), "link creation");
  return list;
}

PropertyList serial_access() {
  PropertyList list(check(H5Pcreate(H5P_FILE_ACCESS), "file access"));
#if H5_VERSION_GE(1, 12, 1) || (H5_VERSION_GE(1, 10, 7) && !H5_VERSION_GE(1, 11, 0))
  check(H5Pset_file_locking(list.get(), true, true), "file locking");
#endif
  return list;
}

}  // namespace ringworld::hdf5
