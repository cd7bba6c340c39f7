/// @file  A link that errs: loaded before the MPI library, flips a bit of a message of one rank. Which message is told
/// by RINGWORLD_CORRUPTED_RANK and RINGWORLD_CORRUPTED_BYTES: the first of that many bytes that this rank sends, and with
/// RINGWORLD_CORRUPTED_ALWAYS=1 every one.

#include <mpi.h>

#include <cstdlib>
#include <vector>

namespace {

int number_in(const char* variable) {
  const char* text = std::getenv(variable);
  return text != nullptr ? std::atoi(text) : -1;
}

bool is_to_corrupt(int count, MPI_Datatype type) {
  static bool has_been = false;
  int rank = -1;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (has_been || type != MPI_BYTE || count != number_in("RINGWORLD_CORRUPTED_BYTES") ||
      rank != number_in("RINGWORLD_CORRUPTED_RANK")) {
    return false;
  }
  has_been = number_in("RINGWORLD_CORRUPTED_ALWAYS") != 1;
  return true;
}

}  // namespace

extern "C" int MPI_Isend(const void* data, int count, MPI_Datatype type, int target, int tag, MPI_Comm communicator,
                         MPI_Request* request) {
  static std::vector<char> copy;  // lives until the message has ended
  if (is_to_corrupt(count, type)) {
    copy.assign(static_cast<const char*>(data), static_cast<const char*>(data) + count);
    copy[copy.size() / 2] ^= 4;
    data = copy.data();
  }
  return PMPI_Isend(data, count, type, target, tag, communicator, request);
}
