#include "core/error.hpp"

namespace ringworld {

Error::Error(ErrorKind kind, const std::string& message, std::source_location where)
    : std::runtime_error(message), kind_(kind), where_(where) {}

Error Error::as_collective() const {
  Error copy = *this;
  copy.is_collective_ = true;
  return copy;
}

int Error::exit_code() const noexcept { return kind_ == ErrorKind::bad_input ? 2 : 1; }

void require(bool condition, const char* message, std::source_location where) {
  if (!condition) {
    throw Error(ErrorKind::internal, message, where);
  }
}

void require_input(bool condition, const std::string& message, std::source_location where) {
  if (!condition) {
    throw Error(ErrorKind::bad_input, message, where);
  }
}

}  // namespace ringworld
