#pragma once
/// @file  Start and end of the message-passing library in this process.

#include <string>

namespace ringworld {

/// Initialises MPI for the lifetime of the object; one per process, made in main.
class Environment {
 public:
  Environment(int& argc, char**& argv);
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;
  ~Environment();

  /// Ends all ranks of the job at once.
  [[noreturn]] static void abort(int exit_code);
  /// For people: "Open MPI v4.1.4, ...".
  [[nodiscard]] static std::string library_version();
};

}  // namespace ringworld
