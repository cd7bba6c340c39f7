#include "comm/collectives_impl.hpp"
#include "comm/shift_impl.hpp"
#include "comm/transport_facts.hpp"
#include "core/error.hpp"

namespace ringworld {
namespace {

[[noreturn]] void throw_not_built() {
  throw Error(ErrorKind::bad_input, "this build has no NCCL; configure with -DRINGWORLD_ENABLE_NCCL=ON");
}

}  // namespace

bool is_nccl_built() noexcept { return false; }
std::unique_ptr<Shift::Impl> make_nccl_shift(const Communicator& /*ranks*/, const ShiftOptions& /*options*/) {
  throw_not_built();
}
std::unique_ptr<Collectives> make_nccl_collectives(const Communicator& /*communicator*/) { throw_not_built(); }

}  // namespace ringworld
