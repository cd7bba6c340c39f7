/// @file  Hops of device memory by an MPI library that takes it.
///
///   compute stream   --[ step s-1 ]--o ready          [ step s ]-->      enqueued before MPI starts
///   host                              \ (polls) MPI_Irecv, MPI_Isend ... MPI_Testall
///
/// MPI knows nothing of streams: the host starts the messages once the compute stream has got to the hop, and work that
/// uses what came is enqueued after they have ended.

#include "comm/shift_impl.hpp"
#include "core/error.hpp"

namespace ringworld {
namespace {

class CudaAwareShift final : public Shift::Impl {
 public:
  CudaAwareShift(const Ring& ring, const ShiftOptions& options)
      : messages_(make_mpi_shift(ring, options)),
        compute_(device(options.memory).compute_stream()),
        ready_(device(options.memory).make_event()) {}

  void start(std::span<const std::byte> to_next, std::span<std::byte> from_previous) override {
    require(!is_under_way_, "the hop before has not ended");
    to_next_ = to_next;
    from_previous_ = from_previous;
    is_under_way_ = true;
    ready_->record(compute_);
    static_cast<void>(drive());
  }

  bool test() override {
    is_under_way_ = is_under_way_ && !drive();
    return !is_under_way_;
  }

  void wait(const std::function<void()>& meanwhile) override {
    while (!test()) {
      if (meanwhile) {
        meanwhile();
      }
    }
  }

 private:
  /// True when the messages have arrived.
  bool drive() {
    if (!is_posted_) {
      if (!ready_->has_happened()) {
        return false;
      }
      messages_->traffic = {};
      messages_->start(to_next_, from_previous_);
      traffic += messages_->traffic;
      is_posted_ = true;
    }
    is_posted_ = !messages_->test();
    return !is_posted_;
  }

  std::unique_ptr<Shift::Impl> messages_;
  Stream& compute_;
  std::unique_ptr<Event> ready_;  // the compute stream at the start of the hop
  std::span<const std::byte> to_next_;
  std::span<std::byte> from_previous_;
  bool is_under_way_ = false;
  bool is_posted_ = false;
};

}  // namespace

std::unique_ptr<Shift::Impl> make_cuda_aware_shift(const Ring& ring, const ShiftOptions& options) {
  return std::make_unique<CudaAwareShift>(ring, options);
}

}  // namespace ringworld
