#include "comm/pretended/pretended.hpp"

namespace ringworld {
namespace {

class PretendedShift final : public Shift::Impl {
 public:
  explicit PretendedShift(std::int64_t message_limit) : message_limit_(message_limit) {}

  void start(const Peers& /*peers*/, std::span<const std::byte> sent, std::span<std::byte> /*received*/) override {
    const auto bytes = static_cast<std::int64_t>(sent.size());
    traffic += {.hops = 1, .bytes = bytes, .messages = (bytes + message_limit_ - 1) / message_limit_};
  }
  bool test() override { return true; }
  void wait(const std::function<void()>& /*meanwhile*/) override {}
  [[nodiscard]] bool needs_driving() const override { return false; }

 private:
  std::int64_t message_limit_;
};

class PretendedCollective final : public PendingCollective::Impl {
 public:
  bool test() override { return true; }
  void wait() override {}
};

class PretendedCollectives final : public Collectives {
 public:
  Pending start_all_gather(const Communicator& /*communicator*/, std::span<const float> /*mine*/,
                           std::span<float> /*all*/) override {
    return std::make_unique<PretendedCollective>();
  }
  Pending start_reduce_scatter(const Communicator& /*communicator*/, std::span<const float> /*all*/,
                               std::span<float> /*mine*/) override {
    return std::make_unique<PretendedCollective>();
  }
  Pending start_all_gather(const Communicator& /*communicator*/, const RankBlocks& /*blocks*/,
                           std::int64_t /*message_limit*/) override {
    return std::make_unique<PretendedCollective>();
  }
  Pending start_reduce_scatter(const Communicator& /*communicator*/, const RankBlocks& /*blocks*/,
                               std::int64_t /*message_limit*/) override {
    return std::make_unique<PretendedCollective>();
  }
  Pending start_all_to_all(const Communicator& /*communicator*/, const RankBlocks& /*sent*/,
                           const RankBlocks& /*received*/, std::int64_t /*message_limit*/) override {
    return std::make_unique<PretendedCollective>();
  }
  Pending start_broadcast(const Communicator& /*communicator*/, std::span<std::byte> /*block*/, int /*root*/,
                          std::int64_t /*message_limit*/) override {
    return std::make_unique<PretendedCollective>();
  }
  Pending start_reduce(const Communicator& /*communicator*/, std::span<float> /*values*/, int /*root*/,
                       Reduction /*reduction*/, std::int64_t /*message_limit*/) override {
    return std::make_unique<PretendedCollective>();
  }
  Pending start_all_reduce(const Communicator& /*communicator*/, std::span<float> /*values*/, Reduction /*reduction*/,
                           std::int64_t /*message_limit*/) override {
    return std::make_unique<PretendedCollective>();
  }
};

}  // namespace

std::unique_ptr<Shift::Impl> make_pretended_shift(const ShiftOptions& options) {
  return std::make_unique<PretendedShift>(options.message_limit);
}

Collectives& pretended_collectives() {
  static PretendedCollectives instance;
  return instance;
}

}  // namespace ringworld
