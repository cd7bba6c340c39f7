/// @file  Hops of device memory through pinned host memory, in chunks: for any MPI library, and for ranks that share a GPU.
///
///   sent           --copy--> [slot] --MPI_Isend-->          three slots a direction: while one is filled or emptied by
///   received       <--copy-- [slot] <--MPI_Irecv--          the GPU's copy engine, another is on the wire
///
/// Copies wait for the compute stream on streams of their own; receives into slots need not wait for anything.

#include <mpi.h>

#include <algorithm>
#include <array>

#include "comm/mpi/mpi_handles.hpp"
#include "comm/shift_impl.hpp"
#include "core/error.hpp"
#include "device/buffer.hpp"

namespace ringworld {
namespace {

constexpr std::int64_t slot_count = 3;

/// A place for one chunk, and what happens to it at present.
struct Slot {
  Buffer memory;
  std::unique_ptr<Event> copied;  ///< after the last copy from or to the slot
  MPI_Request request = MPI_REQUEST_NULL;
};

/// The slots of one direction and the stream of their copies.
struct Lane {
  Lane(Device& gpu, std::int64_t chunk_bytes) : stream(gpu.make_stream()) {
    for (Slot& slot : slots) {
      slot.memory = Buffer(chunk_bytes, gpu.staging());
      slot.copied = gpu.make_event();
    }
  }

  Slot& slot_of(std::int64_t chunk) { return slots[static_cast<std::size_t>(chunk % slot_count)]; }

  std::unique_ptr<Stream> stream;
  std::array<Slot, slot_count> slots;
};

/// Whether the message of a slot, if there is one, has ended.
bool has_ended(Slot& slot) {
  int is_done = 0;
  check_mpi(MPI_Test(&slot.request, &is_done, MPI_STATUS_IGNORE));
  return is_done != 0;
}

class StagedShift final : public Shift::Impl {
 public:
  StagedShift(const Communicator& ranks, const ShiftOptions& options)
      : communicator_(ranks.duplicate()),
        chunk_bytes_(options.chunk_bytes),
        gpu_(device(options.memory)),
        begin_(gpu_.make_event()),
        outward_(gpu_, chunk_bytes_),
        inward_(gpu_, chunk_bytes_) {}

  ~StagedShift() override {
    // Messages are pending only when an error unwinds this rank alone.
    if (!has_been_driven()) {
      MpiAccess::leak(communicator_);
    }
    try {
      outward_.stream->synchronize();
      inward_.stream->synchronize();
    } catch (const Error&) {  // of an earlier kernel: it has been, or will be, reported where it can be
    }
  }

  StagedShift(const StagedShift&) = delete;
  StagedShift& operator=(const StagedShift&) = delete;

  void start(const Peers& peers, std::span<const std::byte> sent, std::span<std::byte> received) override {
    require(!is_under_way_, "the hop before has not ended");
    is_under_way_ = true;
    peers_ = peers;
    outgoing_ = sent;
    incoming_ = received;
    copied_out_ = sent_ = left_ = 0;
    posted_ = arrived_ = 0;
    begin_->record(gpu_.compute_stream());
    outward_.stream->wait_for(*begin_);
    inward_.stream->wait_for(*begin_);
    traffic.bytes += static_cast<std::int64_t>(sent.size());
    traffic.messages += chunks(sent);
    ++traffic.hops;
    drive();
  }

  bool test() override {
    if (!is_under_way_) {
      return true;
    }
    drive();
    const bool is_here = has_been_driven() && (arrived_ == 0 || inward_.slot_of(arrived_ - 1).copied->has_happened());
    is_under_way_ = !is_here;
    return is_here;
  }

  void wait(const std::function<void()>& meanwhile) override {
    while (!has_been_driven()) {
      drive();
      if (meanwhile) {
        meanwhile();
      }
    }
    if (is_under_way_ && arrived_ > 0) {
      gpu_.compute_stream().wait_for(*inward_.slot_of(arrived_ - 1).copied);
    }
    is_under_way_ = false;
  }

 private:
  [[nodiscard]] std::int64_t chunks(std::span<const std::byte> block) const {
    return (static_cast<std::int64_t>(block.size()) + chunk_bytes_ - 1) / chunk_bytes_;
  }

  template <class Byte>
  [[nodiscard]] std::span<Byte> chunk_of(std::span<Byte> block, std::int64_t chunk) const {
    const auto offset = static_cast<std::size_t>(chunk * chunk_bytes_);
    return block.subspan(offset, std::min(static_cast<std::size_t>(chunk_bytes_), block.size() - offset));
  }

  /// Whether all messages have ended and all copies are enqueued.
  [[nodiscard]] bool has_been_driven() const {
    return !is_under_way_ || (left_ == chunks(outgoing_) && arrived_ == chunks(incoming_));
  }

  /// Takes every chunk as far as it can go now. Does not block.
  void drive() {
    drive_inward();
    drive_outward();
  }

  void drive_outward() {
    while (sent_ < copied_out_ && outward_.slot_of(sent_).copied->has_happened()) {
      Slot& slot = outward_.slot_of(sent_);
      const auto count = static_cast<int>(chunk_of(outgoing_, sent_).size());
      check_mpi(MPI_Isend(slot.memory.data(), count, MPI_BYTE, peers_.to, 0, MpiAccess::handle(communicator_),
                          &slot.request));
      ++sent_;
    }
    while (left_ < sent_ && has_ended(outward_.slot_of(left_))) {
      ++left_;
    }
    for (; copied_out_ < std::min(chunks(outgoing_), left_ + slot_count); ++copied_out_) {
      Slot& slot = outward_.slot_of(copied_out_);
      const auto chunk = chunk_of(outgoing_, copied_out_);
      gpu_.copy(slot.memory.data(), chunk.data(), static_cast<std::int64_t>(chunk.size()), *outward_.stream);
      slot.copied->record(*outward_.stream);
    }
  }

  void drive_inward() {
    while (arrived_ < posted_ && has_ended(inward_.slot_of(arrived_))) {
      Slot& slot = inward_.slot_of(arrived_);
      const auto chunk = chunk_of(incoming_, arrived_);
      gpu_.copy(chunk.data(), slot.memory.data(), static_cast<std::int64_t>(chunk.size()), *inward_.stream);
      slot.copied->record(*inward_.stream);
      ++arrived_;
    }
    // A slot is free when its last copy, perhaps of the hop before, has ended.
    while (posted_ < std::min(chunks(incoming_), arrived_ + slot_count) &&
           inward_.slot_of(posted_).copied->has_happened()) {
      Slot& slot = inward_.slot_of(posted_);
      const auto count = static_cast<int>(chunk_of(incoming_, posted_).size());
      check_mpi(MPI_Irecv(slot.memory.data(), count, MPI_BYTE, peers_.from, 0, MpiAccess::handle(communicator_),
                          &slot.request));
      ++posted_;
    }
  }

  Communicator communicator_;
  std::int64_t chunk_bytes_;
  Device& gpu_;
  std::unique_ptr<Event> begin_;  // the compute stream at the start of the hop
  Lane outward_;
  Lane inward_;
  Peers peers_;
  std::span<const std::byte> outgoing_;
  std::span<std::byte> incoming_;
  // Chunks so far: copied to a slot, sent from it, gone; waited for in a slot, arrived and being copied from it.
  std::int64_t copied_out_ = 0;
  std::int64_t sent_ = 0;
  std::int64_t left_ = 0;
  std::int64_t posted_ = 0;
  std::int64_t arrived_ = 0;
  bool is_under_way_ = false;
};

}  // namespace

std::unique_ptr<Shift::Impl> make_staged_shift(const Communicator& ranks, const ShiftOptions& options) {
  return std::make_unique<StagedShift>(ranks, options);
}

}  // namespace ringworld
