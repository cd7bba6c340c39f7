#include "comm/nccl/nccl_communicator.hpp"

#include <fmt/format.h>

#include <exception>

#include "comm/transport_facts.hpp"
#include "core/error.hpp"
#include "device/device.hpp"

namespace ringworld {

bool is_nccl_built() noexcept { return true; }

void check_nccl(ncclResult_t code, std::source_location where) {
  if (code != ncclSuccess) {
    throw Error(ErrorKind::internal, fmt::format("NCCL: {}: {}", ncclGetErrorString(code), ncclGetLastError(nullptr)),
                where);
  }
}

NcclCommunicator::NcclCommunicator(const Communicator& communicator) : exceptions_(std::uncaught_exceptions()) {
  static_cast<void>(device(DeviceKind::cuda));  // NCCL takes the GPU that is current, which this makes sure of
  ncclUniqueId id{};
  on_root(communicator, [&] { check_nccl(ncclGetUniqueId(&id)); });
  communicator.broadcast(std::as_writable_bytes(std::span(&id, 1)), 0);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.maxCTAs = most_blocks;
  check_nccl(ncclCommInitRankConfig(&handle_, communicator.size(), id, communicator.rank(), &config));
}

NcclCommunicator::~NcclCommunicator() {
  // An error here has no one to go to.
  if (std::uncaught_exceptions() > exceptions_) {
    ncclCommAbort(handle_);
  } else {
    ncclCommDestroy(handle_);
  }
}

void NcclCommunicator::check_async() const {
  ncclResult_t code = ncclSuccess;
  check_nccl(ncclCommGetAsyncError(handle_, &code));
  check_nccl(code);
}

}  // namespace ringworld
