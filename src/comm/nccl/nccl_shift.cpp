/// @file  Hops of device memory by NCCL: nothing but enqueued work, so that the host is never held up.
///
///   compute stream   --[ step s-1 ]--o begin          [ step s ]--* waits for end --[ step s+1 ]-->
///                                     \                          /
///   hop stream       ------------------*--[ send + receive ]----o end ---------------------------->

#include "comm/nccl/nccl_communicator.hpp"
#include "comm/shift_impl.hpp"
#include "core/error.hpp"
#include "device/cuda/native_stream.hpp"
#include "device/cuda/spare_multiprocessors.hpp"

namespace ringworld {
namespace {

class NcclShift final : public Shift::Impl {
 public:
  explicit NcclShift(const Communicator& ranks)
      : gpu_(device(DeviceKind::cuda)),
        stream_(gpu_.make_urgent_stream()),
        begin_(gpu_.make_event()),
        end_(gpu_.make_event()),
        communicator_(ranks) {}

  void start(const Peers& peers, std::span<const std::byte> sent, std::span<std::byte> received) override {
    require(!is_under_way_, "the hop before has not ended");
    is_under_way_ = true;
    communicator_.check_async();
    begin_->record(gpu_.compute_stream());
    stream_->wait_for(*begin_);
    // In one group: each alone would wait for its peer's half.
    check_nccl(ncclGroupStart());
    if (!received.empty()) {
      check_nccl(ncclRecv(received.data(), received.size(), ncclUint8, peers.from, communicator_.get(),
                          native_stream(*stream_)));
    }
    if (!sent.empty()) {
      check_nccl(ncclSend(sent.data(), sent.size(), ncclUint8, peers.to, communicator_.get(), native_stream(*stream_)));
      traffic.bytes += static_cast<std::int64_t>(sent.size());
      ++traffic.messages;
    }
    check_nccl(ncclGroupEnd());
    end_->record(*stream_);
    ++traffic.hops;
  }

  bool test() override {
    if (is_under_way_) {
      communicator_.check_async();
      is_under_way_ = !end_->has_happened();
    }
    return !is_under_way_;
  }

  void wait(const std::function<void()>& /*meanwhile: nothing is waited for here*/) override {
    if (is_under_way_) {
      communicator_.check_async();
      gpu_.compute_stream().wait_for(*end_);
      is_under_way_ = false;
    }
  }

  [[nodiscard]] bool needs_driving() const override { return false; }

 private:
  Device& gpu_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Event> begin_;
  std::unique_ptr<Event> end_;
  NcclCommunicator communicator_;  // below the stream, which it may still use while it is taken down
  SpareMultiprocessors spare_{most_blocks};
  bool is_under_way_ = false;
};

}  // namespace

std::unique_ptr<Shift::Impl> make_nccl_shift(const Communicator& ranks, const ShiftOptions& /*options*/) {
  return std::make_unique<NcclShift>(ranks);
}

}  // namespace ringworld
