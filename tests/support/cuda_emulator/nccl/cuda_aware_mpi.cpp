/// @file  Makes the MPI library at hand one that takes the emulated device's memory, where RINGWORLD_CUDA_AWARE_MPI=1 claims
/// that it does: device memory is open during the calls in which MPI moves data. Otherwise the calls pass through, and a
/// pointer to device memory ends in a fault, as with a library that knows nothing of GPUs.
/// Source: MPI 3.1, section 14.2, "Profiling interface".

#include <mpi.h>

#include <cstdlib>
#include <optional>
#include <string_view>

#include "support/cuda_emulator/device_memory.hpp"

namespace {

bool is_claimed() {
  static const bool claim = [] {
    const char* value = std::getenv("RINGWORLD_CUDA_AWARE_MPI");
    return value != nullptr && std::string_view(value) == "1";
  }();
  return claim;
}

template <class Call>
int with_device_memory(Call&& call) {
  std::optional<cuda_emulator::DeviceAccess> access;
  if (is_claimed()) {
    access.emplace();
  }
  return call();
}

}  // namespace

// Any call may move the data of messages that are under way: these are the ones that the suite waits in.
extern "C" {

int MPI_Isend(const void* data, int count, MPI_Datatype type, int peer, int tag, MPI_Comm comm, MPI_Request* request) {
  return with_device_memory([=] { return PMPI_Isend(data, count, type, peer, tag, comm, request); });
}
int MPI_Irecv(void* data, int count, MPI_Datatype type, int peer, int tag, MPI_Comm comm, MPI_Request* request) {
  return with_device_memory([=] { return PMPI_Irecv(data, count, type, peer, tag, comm, request); });
}
int MPI_Iallgather(const void* mine, int count, MPI_Datatype type, void* all, int all_count, MPI_Datatype all_type,
                   MPI_Comm comm, MPI_Request* request) {
  return with_device_memory(
      [=] { return PMPI_Iallgather(mine, count, type, all, all_count, all_type, comm, request); });
}
int MPI_Iallgatherv(const void* mine, int count, MPI_Datatype type, void* all, const int* counts, const int* places,
                    MPI_Datatype all_type, MPI_Comm comm, MPI_Request* request) {
  return with_device_memory(
      [=] { return PMPI_Iallgatherv(mine, count, type, all, counts, places, all_type, comm, request); });
}
int MPI_Ireduce_scatter(const void* from, void* to, const int* counts, MPI_Datatype type, MPI_Op operation,
                        MPI_Comm comm, MPI_Request* request) {
  return with_device_memory([=] { return PMPI_Ireduce_scatter(from, to, counts, type, operation, comm, request); });
}
int MPI_Ireduce(const void* from, void* to, int count, MPI_Datatype type, MPI_Op operation, int root, MPI_Comm comm,
                MPI_Request* request) {
  return with_device_memory([=] { return PMPI_Ireduce(from, to, count, type, operation, root, comm, request); });
}
int MPI_Iallreduce(const void* from, void* to, int count, MPI_Datatype type, MPI_Op operation, MPI_Comm comm,
                   MPI_Request* request) {
  return with_device_memory([=] { return PMPI_Iallreduce(from, to, count, type, operation, comm, request); });
}
int MPI_Ibcast(void* data, int count, MPI_Datatype type, int root, MPI_Comm comm, MPI_Request* request) {
  return with_device_memory([=] { return PMPI_Ibcast(data, count, type, root, comm, request); });
}
int MPI_Comm_dup(MPI_Comm comm, MPI_Comm* copy) {
  return with_device_memory([=] { return PMPI_Comm_dup(comm, copy); });
}
int MPI_Test(MPI_Request* request, int* flag, MPI_Status* status) {
  return with_device_memory([=] { return PMPI_Test(request, flag, status); });
}
int MPI_Testall(int count, MPI_Request* requests, int* flag, MPI_Status* statuses) {
  return with_device_memory([=] { return PMPI_Testall(count, requests, flag, statuses); });
}
int MPI_Wait(MPI_Request* request, MPI_Status* status) {
  return with_device_memory([=] { return PMPI_Wait(request, status); });
}
int MPI_Waitall(int count, MPI_Request* requests, MPI_Status* statuses) {
  return with_device_memory([=] { return PMPI_Waitall(count, requests, statuses); });
}
int MPI_Barrier(MPI_Comm comm) {
  return with_device_memory([=] { return PMPI_Barrier(comm); });
}
int MPI_Allreduce(const void* from, void* to, int count, MPI_Datatype type, MPI_Op operation, MPI_Comm comm) {
  return with_device_memory([=] { return PMPI_Allreduce(from, to, count, type, operation, comm); });
}
int MPI_Allgather(const void* mine, int count, MPI_Datatype type, void* all, int all_count, MPI_Datatype all_type,
                  MPI_Comm comm) {
  return with_device_memory([=] { return PMPI_Allgather(mine, count, type, all, all_count, all_type, comm); });
}
int MPI_Bcast(void* data, int count, MPI_Datatype type, int root, MPI_Comm comm) {
  return with_device_memory([=] { return PMPI_Bcast(data, count, type, root, comm); });
}
int MPI_Send(const void* data, int count, MPI_Datatype type, int peer, int tag, MPI_Comm comm) {
  return with_device_memory([=] { return PMPI_Send(data, count, type, peer, tag, comm); });
}
int MPI_Recv(void* data, int count, MPI_Datatype type, int peer, int tag, MPI_Comm comm, MPI_Status* status) {
  return with_device_memory([=] { return PMPI_Recv(data, count, type, peer, tag, comm, status); });
}

}  // extern "C"
