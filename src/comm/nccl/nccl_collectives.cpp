/// @file  Collectives of device memory by NCCL, on a stream of their own beside the compute stream.

#include "comm/collectives_impl.hpp"
#include "comm/nccl/nccl_communicator.hpp"
#include "core/error.hpp"
#include "device/cuda/native_stream.hpp"

namespace ringworld {
namespace {

ncclRedOp_t nccl_operation(Reduction reduction) {
  switch (reduction) {
    case Reduction::sum:
      return ncclSum;
    case Reduction::min:
      return ncclMin;
    case Reduction::max:
      return ncclMax;
  }
  throw Error(ErrorKind::internal, "reduction outside its enumeration");
}

/// A collective that is enqueued already: all that is left is to order the compute stream behind it.
class NcclPending final : public PendingCollective::Impl {
 public:
  NcclPending(Communicator communicator, const NcclCommunicator& nccl, Stream& stream)
      : communicator_(std::move(communicator)), nccl_(nccl), gpu_(device(DeviceKind::cuda)), end_(gpu_.make_event()) {
    end_->record(stream);
  }
  ~NcclPending() override {
    if (!has_ended_) {
      // The memory may be freed or written next: by work that the compute stream orders.
      try {
        gpu_.compute_stream().wait_for(*end_);
      } catch (const Error&) {  // has no one to go to
      }
    }
  }
  NcclPending(const NcclPending&) = delete;
  NcclPending& operator=(const NcclPending&) = delete;

  bool test() override {
    nccl_.check_async();
    has_ended_ = end_->has_happened();
    return has_ended_;
  }
  void wait() override {
    nccl_.check_async();
    gpu_.compute_stream().wait_for(*end_);
    has_ended_ = true;
  }

 private:
  Communicator communicator_;  // keeps NCCL's alive
  const NcclCommunicator& nccl_;
  Device& gpu_;
  std::unique_ptr<Event> end_;
  bool has_ended_ = false;
};

class NcclCollectives final : public Collectives {
 public:
  explicit NcclCollectives(const Communicator& communicator)
      : gpu_(device(DeviceKind::cuda)),
        stream_(gpu_.make_urgent_stream()),
        begin_(gpu_.make_event()),
        nccl_(communicator) {}

  Pending start_all_gather(const Communicator& communicator, std::span<const float> mine,
                           std::span<float> all) override {
    return start(communicator, [&](cudaStream_t stream) {
      return ncclAllGather(mine.data(), all.data(), mine.size(), ncclFloat, nccl_.get(), stream);
    });
  }

  Pending start_reduce_scatter(const Communicator& communicator, std::span<const float> all,
                               std::span<float> mine) override {
    return start(communicator, [&](cudaStream_t stream) {
      return ncclReduceScatter(all.data(), mine.data(), mine.size(), ncclFloat, ncclSum, nccl_.get(), stream);
    });
  }

  Pending start_all_gather(const Communicator& communicator, const RankBlocks& blocks,
                           std::int64_t /*message_limit*/) override {
    return start(communicator, [&](cudaStream_t stream) {
      return grouped([&] {
        for_each_block(blocks, [&](std::byte* block, std::size_t bytes, int root) {
          return ncclBroadcast(block, block, bytes, ncclUint8, root, nccl_.get(), stream);
        });
      });
    });
  }

  Pending start_reduce_scatter(const Communicator& communicator, const RankBlocks& blocks,
                               std::int64_t /*message_limit*/) override {
    return start(communicator, [&](cudaStream_t stream) {
      return grouped([&] {
        for_each_block(blocks, [&](std::byte* block, std::size_t bytes, int root) {
          return ncclReduce(block, block, bytes / sizeof(float), ncclFloat, ncclSum, root, nccl_.get(), stream);
        });
      });
    });
  }

  Pending start_all_to_all(const Communicator& communicator, const RankBlocks& sent, const RankBlocks& received,
                           std::int64_t /*message_limit*/) override {
    const int rank = communicator.rank();
    return start(communicator, [&](cudaStream_t stream) {
      return grouped([&] {
        for_each_block(received, [&](std::byte* block, std::size_t bytes, int from) {
          return from == rank ? ncclSuccess : ncclRecv(block, bytes, ncclUint8, from, nccl_.get(), stream);
        });
        for_each_block(sent, [&](std::byte* block, std::size_t bytes, int to) {
          return to == rank ? ncclSuccess : ncclSend(block, bytes, ncclUint8, to, nccl_.get(), stream);
        });
      });
    });
  }

  Pending start_broadcast(const Communicator& communicator, std::span<std::byte> block, int root,
                          std::int64_t /*message_limit*/) override {
    return start(communicator, [&](cudaStream_t stream) {
      return ncclBroadcast(block.data(), block.data(), block.size(), ncclUint8, root, nccl_.get(), stream);
    });
  }

  Pending start_reduce(const Communicator& communicator, std::span<float> values, int root, Reduction reduction,
                       std::int64_t /*message_limit*/) override {
    return start(communicator, [&](cudaStream_t stream) {
      return ncclReduce(values.data(), values.data(), values.size(), ncclFloat, nccl_operation(reduction), root,
                        nccl_.get(), stream);
    });
  }

  Pending start_all_reduce(const Communicator& communicator, std::span<float> values, Reduction reduction,
                           std::int64_t /*message_limit*/) override {
    return start(communicator, [&](cudaStream_t stream) {
      return ncclAllReduce(values.data(), values.data(), values.size(), ncclFloat, nccl_operation(reduction),
                           nccl_.get(), stream);
    });
  }

 private:
  /// NCCL has no collective of unequal lengths: one operation a rank's block, in one group.
  template <class Action>
  static ncclResult_t grouped(Action&& action) {
    check_nccl(ncclGroupStart());
    action();
    return ncclGroupEnd();
  }

  template <class Operation>
  static void for_each_block(const RankBlocks& blocks, Operation&& operation) {
    for (int rank = 0; rank < static_cast<int>(blocks.bytes.size()); ++rank) {
      const std::int64_t bytes = blocks.bytes[static_cast<std::size_t>(rank)];
      if (bytes > 0) {
        check_nccl(operation(blocks.block(rank), static_cast<std::size_t>(bytes), rank));
      }
    }
  }

  /// Enqueues `operation(stream)` behind what the compute stream has now.
  template <class Operation>
  Pending start(const Communicator& communicator, Operation&& operation) {
    begin_->record(gpu_.compute_stream());
    stream_->wait_for(*begin_);
    check_nccl(operation(native_stream(*stream_)));
    return std::make_unique<NcclPending>(communicator, nccl_, *stream_);
  }

  Device& gpu_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Event> begin_;
  NcclCommunicator nccl_;  // below the stream, which it may still use while it is taken down
};

}  // namespace

std::unique_ptr<Collectives> make_nccl_collectives(const Communicator& communicator) {
  return std::make_unique<NcclCollectives>(communicator);
}

}  // namespace ringworld
