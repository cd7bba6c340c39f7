/// @file  NCCL's calls, carried by MPI.
///
/// Operations are work of the emulated streams: MPI moves the data when somebody waits for the stream. (A collective
/// blocks until the peers' streams get there; a message does not.) So they run as late as they may, which shows who does
/// not wait for them. With RINGWORLD_EMULATED_NCCL=eager they run as early as they may, which shows what they do not wait
/// for; ranks must then start them in one order. As the real library does, it refuses ranks that share a GPU.

#include "nccl.h"

#include <fmt/format.h>
#include <mpi.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/cuda_emulator/device_memory.hpp"
#include "support/cuda_emulator/failure.hpp"
#include "support/cuda_emulator/stream.hpp"

namespace {

using cuda_emulator::Failure;

/// Ranks in a communicator of MPI's, which the operations that are still in streams keep.
struct Group {
  explicit Group(MPI_Comm made) : mpi(made) {}
  ~Group() {
    int is_finalized = 0;
    MPI_Finalized(&is_finalized);
    if (is_finalized == 0 && !is_aborted) {
      MPI_Comm_free(&mpi);
    }
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  MPI_Comm mpi;
  bool is_aborted = false;
};

}  // namespace

struct ncclComm {
  std::shared_ptr<Group> group;
  int ranks = 1;
};

namespace {

std::string& last_error() {
  static std::string text;
  return text;
}

ncclResult_t refuse(ncclResult_t code, const std::string& why) {
  last_error() = why;
  return code;
}

/// In the identity of a communicator: who made it, and how many that rank had made before.
struct Identity {
  int maker = 0;
  int number = 0;
};

/// What each rank tells the maker.
struct Member {
  int rank = 0;
  int world_rank = 0;
  std::array<char, 16> device{};
};

constexpr int first_tag = 20'000;

void check(int code) {
  if (code != MPI_SUCCESS) {
    throw Failure("NCCL by MPI: a message failed");
  }
}

Member describe_this_rank(int rank) {
  Member member{.rank = rank};
  MPI_Comm_rank(MPI_COMM_WORLD, &member.world_rank);
  int ordinal = 0;
  cudaDeviceProp properties{};
  cudaGetDevice(&ordinal);
  cudaGetDeviceProperties(&properties, ordinal);
  std::copy_n(properties.uuid.bytes, member.device.size(), member.device.begin());
  return member;
}

/// The members in the order of their ranks, on every one of them: by way of the maker.
std::vector<Member> gather_members(const Identity& identity, const Member& mine, int ranks) {
  const int tag = first_tag + identity.number % 1000;
  std::vector<Member> members(static_cast<std::size_t>(ranks));
  if (mine.world_rank != identity.maker) {
    MPI_Send(&mine, sizeof(Member), MPI_BYTE, identity.maker, tag, MPI_COMM_WORLD);
    MPI_Recv(members.data(), ranks * static_cast<int>(sizeof(Member)), MPI_BYTE, identity.maker, tag, MPI_COMM_WORLD,
             MPI_STATUS_IGNORE);
    return members;
  }
  members[static_cast<std::size_t>(mine.rank)] = mine;
  for (int other = 1; other < ranks; ++other) {
    Member member;
    MPI_Recv(&member, sizeof(Member), MPI_BYTE, MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    members[static_cast<std::size_t>(member.rank)] = member;
  }
  for (const Member& member : members) {
    if (member.world_rank != mine.world_rank) {
      MPI_Send(members.data(), ranks * static_cast<int>(sizeof(Member)), MPI_BYTE, member.world_rank, tag,
               MPI_COMM_WORLD);
    }
  }
  return members;
}

/// One half of a hop.
struct Message {
  std::shared_ptr<Group> group;
  cudaStream_t stream = nullptr;
  void* data = nullptr;
  int bytes = 0;
  int peer = 0;
  bool is_sent = false;
};

struct OpenGroup {
  int depth = 0;
  std::vector<Message> messages;
};

OpenGroup& open_group() {
  static OpenGroup group;
  return group;
}

/// @param step  called until it returns true
void enqueue_operation(cudaStream_t stream, std::function<bool()> step) {
  static const bool is_eager = [] {
    const char* text = std::getenv("RINGWORLD_EMULATED_NCCL");
    return text != nullptr && std::string_view(text) == "eager";
  }();
  cuda_emulator::enqueue_steps(stream, std::move(step));
  if (is_eager) {
    cuda_emulator::drain(stream);
  }
}

/// Messages under way. They travel through memory of the host: MPI moves them also in calls that have nothing to do with
/// the device, whose memory is then closed.
struct Hop {
  std::vector<std::vector<std::byte>> copies;
  std::vector<MPI_Request> requests;
};

/// Posts the messages at the first call, and ends them. @returns whether all have ended
bool drive(const std::vector<Message>& messages, Hop& hop) {
  if (hop.requests.empty()) {
    for (const Message& message : messages) {
      auto& copy = hop.copies.emplace_back(static_cast<std::size_t>(message.bytes));
      MPI_Request& request = hop.requests.emplace_back(MPI_REQUEST_NULL);
      if (message.is_sent) {
        std::memcpy(copy.data(), message.data, copy.size());
        check(MPI_Isend(copy.data(), message.bytes, MPI_BYTE, message.peer, 0, message.group->mpi, &request));
      } else {
        check(MPI_Irecv(copy.data(), message.bytes, MPI_BYTE, message.peer, 0, message.group->mpi, &request));
      }
    }
  }
  int have_ended = 0;
  check(MPI_Testall(static_cast<int>(hop.requests.size()), hop.requests.data(), &have_ended, MPI_STATUSES_IGNORE));
  if (have_ended == 0) {
    return false;
  }
  for (std::size_t index = 0; index < messages.size(); ++index) {
    if (!messages[index].is_sent) {
      std::memcpy(messages[index].data, hop.copies[index].data(), hop.copies[index].size());
    }
  }
  return true;
}

/// Enqueues the messages as one operation of each stream: all of its halves are under way at once.
void enqueue_messages(const std::vector<Message>& messages) {
  std::vector<cudaStream_t> streams;
  for (const Message& message : messages) {
    if (std::ranges::find(streams, message.stream) == streams.end()) {
      streams.push_back(message.stream);
    }
  }
  for (cudaStream_t stream : streams) {
    std::vector<Message> mine;
    std::ranges::copy_if(messages, std::back_inserter(mine),
                         [&](const Message& each) { return each.stream == stream; });
    enqueue_operation(stream, [mine = std::move(mine), hop = std::make_shared<Hop>()] { return drive(mine, *hop); });
  }
}

ncclResult_t add_message(void* data, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                         cudaStream_t stream, bool is_sent) {
  if (type != ncclUint8 || peer < 0 || peer >= comm->ranks || !cuda_emulator::is_inside_allocation(data, count)) {
    return refuse(ncclInvalidArgument, "a message of no device memory, or for no rank");
  }
  open_group().messages.push_back({.group = comm->group,
                                   .stream = stream,
                                   .data = data,
                                   .bytes = static_cast<int>(count),
                                   .peer = peer,
                                   .is_sent = is_sent});
  if (open_group().depth == 0) {
    enqueue_messages(std::exchange(open_group().messages, {}));
  }
  return ncclSuccess;
}

/// Enqueues `collective(group)` after a look at its operands, all of them floats.
template <class Collective>
ncclResult_t add_collective(std::initializer_list<std::pair<const void*, std::size_t>> operands, ncclDataType_t type,
                            ncclComm_t comm, cudaStream_t stream, Collective collective) {
  for (const auto& [data, floats] : operands) {
    if (type != ncclFloat || (floats > 0 && !cuda_emulator::is_inside_allocation(data, floats * sizeof(float)))) {
      return refuse(ncclInvalidArgument, "a collective of no device memory, or of no floats");
    }
  }
  enqueue_operation(stream, [group = comm->group, collective] {
    check(collective(group->mpi));
    return true;
  });
  return ncclSuccess;
}

MPI_Op mpi_operation(ncclRedOp_t operation) {
  constexpr std::array operations{ncclSum, ncclProd, ncclMax, ncclMin};
  const std::array of_mpi{MPI_SUM, MPI_PROD, MPI_MAX, MPI_MIN};
  return of_mpi[static_cast<std::size_t>(std::ranges::find(operations, operation) - operations.begin())];
}

}  // namespace

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclSuccess:
      return "no error";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    default:
      return "internal error";
  }
}

const char* ncclGetLastError(ncclComm_t /*comm*/) { return last_error().c_str(); }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static int made = 0;
  Identity identity{.number = made++};
  MPI_Comm_rank(MPI_COMM_WORLD, &identity.maker);
  *id = {};
  std::memcpy(id->internal, &identity, sizeof(identity));
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId id, int rank, ncclConfig_t* config) {
  constexpr int most_ctas = 32;
  if (config->maxCTAs != NCCL_CONFIG_UNDEF_INT && (config->maxCTAs < 1 || config->maxCTAs > most_ctas)) {
    return refuse(ncclInvalidArgument, fmt::format("maxCTAs {} is outside 1 to {}", config->maxCTAs, most_ctas));
  }
  Identity identity;
  std::memcpy(&identity, id.internal, sizeof(identity));
  const std::vector<Member> members = gather_members(identity, describe_this_rank(rank), ranks);
  for (const Member& member : members) {
    if (std::ranges::count(members, member.device, &Member::device) > 1) {
      return refuse(ncclInvalidUsage, fmt::format("duplicate GPU: rank {} has that of another rank", member.rank));
    }
  }
  std::vector<int> world_ranks;
  std::ranges::transform(members, std::back_inserter(world_ranks), &Member::world_rank);
  MPI_Group world = MPI_GROUP_NULL;
  MPI_Group group = MPI_GROUP_NULL;
  MPI_Comm made = MPI_COMM_NULL;
  MPI_Comm_group(MPI_COMM_WORLD, &world);
  MPI_Group_incl(world, ranks, world_ranks.data(), &group);
  MPI_Comm_create_group(MPI_COMM_WORLD, group, first_tag + 1000 + identity.number % 1000, &made);
  MPI_Group_free(&group);
  MPI_Group_free(&world);
  *comm = std::make_unique<ncclComm>(ncclComm{.group = std::make_shared<Group>(made), .ranks = ranks}).release();
  return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  const std::unique_ptr<ncclComm> owned(comm);
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  const std::unique_ptr<ncclComm> owned(comm);
  comm->group->is_aborted = true;
  return ncclSuccess;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t /*comm*/, ncclResult_t* error) {
  *error = ncclSuccess;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  ++open_group().depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  if (--open_group().depth == 0) {
    enqueue_messages(std::exchange(open_group().messages, {}));
  }
  return ncclSuccess;
}

ncclResult_t ncclSend(const void* data, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return add_message(const_cast<void*>(data), count, type, peer, comm, stream, true);
}

ncclResult_t ncclRecv(void* data, std::size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return add_message(data, count, type, peer, comm, stream, false);
}

ncclResult_t ncclAllGather(const void* mine, void* all, std::size_t count, ncclDataType_t type, ncclComm_t comm,
                           cudaStream_t stream) {
  return add_collective({{mine, count}, {all, count * static_cast<std::size_t>(comm->ranks)}}, type, comm, stream,
                        [=](MPI_Comm mpi) {
                          const auto floats = static_cast<int>(count);
                          return MPI_Allgather(mine, floats, MPI_FLOAT, all, floats, MPI_FLOAT, mpi);
                        });
}

ncclResult_t ncclReduceScatter(const void* all, void* mine, std::size_t count, ncclDataType_t type,
                               ncclRedOp_t operation, ncclComm_t comm, cudaStream_t stream) {
  return add_collective(
      {{mine, count}, {all, count * static_cast<std::size_t>(comm->ranks)}}, type, comm, stream, [=](MPI_Comm mpi) {
        return MPI_Reduce_scatter_block(all, mine, static_cast<int>(count), MPI_FLOAT, mpi_operation(operation), mpi);
      });
}

ncclResult_t ncclBroadcast(const void* from, void* to, std::size_t count, ncclDataType_t type, int root,
                           ncclComm_t comm, cudaStream_t stream) {
  if (from != to || type != ncclUint8 || !cuda_emulator::is_inside_allocation(to, count)) {
    return refuse(ncclInvalidArgument, "a broadcast that is not in place, or not of bytes of device memory");
  }
  return add_collective({}, ncclFloat, comm, stream,
                        [=](MPI_Comm mpi) { return MPI_Bcast(to, static_cast<int>(count), MPI_BYTE, root, mpi); });
}

ncclResult_t ncclReduce(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclRedOp_t operation,
                        int root, ncclComm_t comm, cudaStream_t stream) {
  return add_collective({{from, count}, {to, count}}, type, comm, stream, [=](MPI_Comm mpi) {
    int rank = 0;
    MPI_Comm_rank(mpi, &rank);
    const bool is_in_place = rank == root && from == to;
    return MPI_Reduce(is_in_place ? MPI_IN_PLACE : from, rank == root ? to : nullptr, static_cast<int>(count),
                      MPI_FLOAT, mpi_operation(operation), root, mpi);
  });
}

ncclResult_t ncclAllReduce(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclRedOp_t operation,
                           ncclComm_t comm, cudaStream_t stream) {
  return add_collective({{from, count}, {to, count}}, type, comm, stream, [=](MPI_Comm mpi) {
    return MPI_Allreduce(from == to ? MPI_IN_PLACE : from, to, static_cast<int>(count), MPI_FLOAT,
                         mpi_operation(operation), mpi);
  });
}
