#include "comm/device_choice.hpp"
#include "comm/pretended/pretended.hpp"
#include "comm/ring.hpp"
#include "comm/shift_impl.hpp"
#include "core/error.hpp"

namespace ringworld {
namespace {

std::unique_ptr<Shift::Impl> make_shift(const Ring& ring, const ShiftOptions& options) {
  require(options.message_limit > 0 && options.message_limit <= default_message_limit,
          "a message holds 1 byte to 1 GiB");
  require(options.chunk_bytes > 0 && options.chunk_bytes <= default_message_limit, "a chunk holds 1 byte to 1 GiB");
  if (ring.communicator().is_pretended()) {
    return make_pretended_shift(options);
  }
  if (options.memory == DeviceKind::host) {
    return make_mpi_shift(ring, options);
  }
  require(options.memory != DeviceKind::pinned, "blocks travel from host or from device memory");
  switch (transport_of(ring.communicator(), options.memory)) {
    case Transport::nccl:
      return make_nccl_shift(ring, options);
    case Transport::device_aware_mpi:
      return make_device_aware_shift(ring, options);
    case Transport::staged:
      return make_staged_shift(ring, options);
    case Transport::automatic:
      break;
  }
  throw Error(ErrorKind::internal, "the transport was not decided");
}

}  // namespace

Shift::Shift(const Ring& ring, const ShiftOptions& options) : impl_(make_shift(ring, options)) {}
Shift::Shift(Shift&&) noexcept = default;
Shift& Shift::operator=(Shift&&) noexcept = default;
Shift::~Shift() = default;

void Shift::start(std::span<const std::byte> to_next, std::span<std::byte> from_previous) {
  impl_->start(to_next, from_previous);
}
bool Shift::test() { return impl_->test(); }
void Shift::wait(const std::function<void()>& meanwhile) { impl_->wait(meanwhile); }
bool Shift::needs_driving() const { return impl_->needs_driving(); }
const Traffic& Shift::traffic() const { return impl_->traffic; }
void Shift::reset_traffic() { impl_->traffic = {}; }

}  // namespace ringworld
