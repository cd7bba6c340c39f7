#include "comm/ring.hpp"
#include "comm/shift_impl.hpp"
#include "core/error.hpp"

namespace ringworld {
namespace {

std::unique_ptr<Shift::Impl> make_shift(const Ring& ring, const ShiftOptions& options) {
  require(options.message_limit > 0 && options.message_limit <= default_message_limit,
          "a message holds 1 byte to 1 GiB");
  require(options.memory == DeviceKind::host, "hops of this memory are not in this build");
  return make_mpi_shift(ring, options);
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
const Traffic& Shift::traffic() const { return impl_->traffic; }
void Shift::reset_traffic() { impl_->traffic = {}; }

}  // namespace ringworld
