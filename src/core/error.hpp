#pragma once
/// @file  The one exception type of the suite, and the check for conditions that a caller can break.

#include <cstdint>
#include <source_location>
#include <stdexcept>
#include <string>

namespace ringworld {

/// The kind of an error, as far as the caller must handle it differently.
enum class ErrorKind : std::uint8_t {
  bad_input,      ///< a flag, key, file or shape that the user can mend: exit code 2
  check_failed,   ///< a result that contradicts its model or reference: exit code 1
  out_of_memory,  ///< becomes a row with a reason in a sweep
  internal,       ///< a broken precondition or a failing library call: exit code 1
};

/// The exception that every module throws.
///
/// `what()` is one line for a person: what is wrong, its name, and what would be right.
class Error : public std::runtime_error {
 public:
  explicit Error(ErrorKind kind, const std::string& message,
                 std::source_location where = std::source_location::current());

  [[nodiscard]] ErrorKind kind() const noexcept { return kind_; }
  [[nodiscard]] const std::source_location& where() const noexcept { return where_; }

  /// True when every rank of the job throws the same error, so that one of them may report it and all may
  /// leave in order. An error that is not collective must take the job down with it.
  [[nodiscard]] bool is_collective() const noexcept { return is_collective_; }
  [[nodiscard]] Error as_collective() const;

  /// Exit code of the program: 2 for bad input, 1 for everything else.
  [[nodiscard]] int exit_code() const noexcept;

 private:
  ErrorKind kind_;
  bool is_collective_ = false;
  std::source_location where_;
};

/// Throws `Error(internal)` unless `condition` holds. Always on; for what a caller can break.
void require(bool condition, const char* message, std::source_location where = std::source_location::current());

/// Throws `Error(bad_input)` unless `condition` holds.
void require_input(bool condition, const std::string& message,
                   std::source_location where = std::source_location::current());

}  // namespace ringworld
