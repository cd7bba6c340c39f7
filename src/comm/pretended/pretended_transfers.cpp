#include "comm/pretended/pretended.hpp"

namespace ringworld {
namespace {

class PretendedShift final : public Shift::Impl {
 public:
  explicit PretendedShift(std::int64_t message_limit) : message_limit_(message_limit) {}

  void start(std::span<const std::byte> to_next, std::span<std::byte> /*from_previous*/) override {
    const auto bytes = static_cast<std::int64_t>(to_next.size());
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
  std::unique_ptr<PendingCollective::Impl> start_all_gather(const Communicator& /*communicator*/,
                                                            std::span<const float> /*mine*/,
                                                            std::span<float> /*all*/) override {
    return std::make_unique<PretendedCollective>();
  }
  std::unique_ptr<PendingCollective::Impl> start_reduce_scatter(const Communicator& /*communicator*/,
                                                                std::span<const float> /*all*/,
                                                                std::span<float> /*mine*/) override {
    return std::make_unique<PretendedCollective>();
  }
  std::unique_ptr<PendingCollective::Impl> start_all_gather(const Communicator& /*communicator*/,
                                                            const RankBlocks& /*blocks*/) override {
    return std::make_unique<PretendedCollective>();
  }
  std::unique_ptr<PendingCollective::Impl> start_reduce_scatter(const Communicator& /*communicator*/,
                                                                const RankBlocks& /*blocks*/) override {
    return std::make_unique<PretendedCollective>();
  }
  void all_reduce(const Communicator& /*communicator*/, std::span<float> /*values*/, Reduction /*reduction*/) override {
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
