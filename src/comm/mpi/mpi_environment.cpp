#include <mpi.h>

#include <array>
#include <cstdio>
#include <cstdlib>

#include "comm/environment.hpp"
#include "comm/mpi/mpi_handles.hpp"
#include "core/simulated_ranks.hpp"

namespace ringworld {

Environment::Environment(int& argc, char**& argv) {
  // Only the thread that made the environment calls MPI.
  int provided = 0;
  check_mpi(MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided));
  check_mpi(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN));
}

Environment::~Environment() { MPI_Finalize(); }

void Environment::abort(int exit_code) {
  if (are_ranks_simulated()) {
    // They are one process. SMPI would unwind the others, whose messages under way would then wait for this one.
    std::fflush(nullptr);
    std::_Exit(exit_code);
  }
  MPI_Abort(MPI_COMM_WORLD, exit_code);
  std::abort();
}

std::string Environment::library_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  check_mpi(MPI_Get_library_version(text.data(), &length));
  std::string version(text.data(), static_cast<std::size_t>(length));
  return version.substr(0, version.find(", package"));
}

}  // namespace ringworld
