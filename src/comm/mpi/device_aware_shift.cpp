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

class DeviceAwareShift final : public Shift::Impl {
 public:
  DeviceAwareShift(const Communicator& ranks, const ShiftOptions& options)
      : messages_(make_mpi_shift(ranks, options)),
        compute_(device(options.memory).compute_stream()),
        ready_(device(options.memory).make_event()) {}

  void start(const Peers& peers, std::span<const std::byte> sent, std::span<std::byte> received) override {
    require(stage_ == Stage::idle, "the hop before has not ended");
    peers_ = peers;
    sent_ = sent;
    received_ = received;
    ready_->record(compute_);
    stage_ = Stage::waiting;
    post();
  }

  bool test() override {
    post();
    if (stage_ == Stage::posted && messages_->test()) {
      stage_ = Stage::idle;
    }
    return stage_ == Stage::idle;
  }

  void wait(const std::function<void()>& meanwhile) override {
    while (!test()) {
      if (meanwhile) {
        meanwhile();
      }
    }
  }

 private:
  enum class Stage : std::uint8_t {
    idle,
    waiting,  ///< for the compute stream
    posted,   ///< messages are under way
  };

  /// Hands the messages to MPI once the compute stream has got to the hop.
  void post() {
    if (stage_ == Stage::waiting && ready_->has_happened()) {
      messages_->traffic = {};
      messages_->start(peers_, sent_, received_);
      traffic += messages_->traffic;
      stage_ = Stage::posted;
    }
  }

  std::unique_ptr<Shift::Impl> messages_;
  Stream& compute_;
  std::unique_ptr<Event> ready_;  // the compute stream at the start of the hop
  Peers peers_;
  std::span<const std::byte> sent_;
  std::span<std::byte> received_;
  Stage stage_ = Stage::idle;
};

}  // namespace

std::unique_ptr<Shift::Impl> make_device_aware_shift(const Communicator& ranks, const ShiftOptions& options) {
  return std::make_unique<DeviceAwareShift>(ranks, options);
}

}  // namespace ringworld
