/// @file  The executor on GPUs with integers for blocks: nothing is looked at before the whole plan is enqueued, so that
/// a hop that does not wait for compute, or compute that does not wait for a hop, shows.

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <vector>

#include "comm/nodes.hpp"
#include "sequence/cuda/word_kernels.hpp"
#include "sequence/executor.hpp"
#include "support/device_block.hpp"
#include "support/transports.hpp"

namespace ringworld::test {
namespace {

using Words = DeviceBlock<std::int64_t>;

constexpr std::int64_t word_bytes = 8;
constexpr std::int64_t chunk_words = 16;

/// Blocks of uneven length, of more than a chunk: and none at all for ranks that are multiples of three (but not 0).
std::int64_t words_of(int rank) { return rank > 0 && rank % 3 == 0 ? 0 : 2 * chunk_words + 3 * rank + 1; }

std::int64_t first_operand(int origin) { return 1000 * (origin + 1); }

/// The first word that `rank` adds to the sums of the block of `origin`. No two pairs of ranks give the same.
std::int64_t first_share(int rank, int origin) { return (std::int64_t{1} << rank) * (origin + 7); }

std::vector<std::int64_t> counted(std::int64_t first, std::int64_t count, std::int64_t step = 1) {
  std::vector<std::int64_t> words;
  for (std::int64_t index = 0; index < count; ++index) {
    words.push_back(first + index * step);
  }
  return words;
}

std::span<std::int64_t> words_in(std::byte* slot, int origin) {
  return {reinterpret_cast<std::int64_t*>(slot), static_cast<std::size_t>(words_of(origin))};
}

class DeviceExecutor : public ::testing::TestWithParam<Transport>, public PlanWork {
 protected:
  void SetUp() override {
    const Communicator world = Communicator::world();
    if (const std::string reason = why_unavailable(world, GetParam()); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
    ring_.emplace(world.with_transport(GetParam()));
    lanes_.emplace();
    for (const bool has_sums : {false, true}) {
      lanes_->add(ring_->communicator(), options(), plan_of(has_sums), nodes_of(ring_->communicator()));
    }
    for (int rank = 0; rank < ring().size(); ++rank) {
      longest_ = std::max(longest_, words_of(rank));
    }
    slots_.emplace(static_cast<std::size_t>(5 * longest_));
  }

  static ShiftOptions options() { return {.memory = DeviceKind::cuda, .chunk_bytes = chunk_words * word_bytes}; }
  [[nodiscard]] const Ring& ring() const { return *ring_; }
  [[nodiscard]] Plan plan_of(bool has_sums) const {
    return make_plan(ScheduleKind::ring, has_sums ? AttentionPass::backward : AttentionPass::forward,
                     BackwardRotation::kv, ring().size(), ring().rank());
  }

  /// Enqueues a whole plan of the ring: two slots of operands, three of sums.
  void run(bool has_sums, const PassOptions& options = {}) {
    seen_.clear();
    home_.emplace(static_cast<std::size_t>(words_of(ring().rank())));
    std::byte* const memory = std::as_writable_bytes(slots_->span()).data();
    run_plan(
        PlanSteps(plan_of(has_sums)),
        {.device = device(DeviceKind::cuda),
         .ranks = ring().communicator(),
         .schedule = name_of(ScheduleKind::ring),
         .lanes = *lanes_,
         .bytes = [](Cargo, const Piece& piece) { return ByteRange{.count = word_bytes * words_of(piece.origin)}; },
         .operands = {.memory = memory, .slot_bytes = longest_ * word_bytes},
         .sums = {.memory = memory + 2 * longest_ * word_bytes, .slot_bytes = longest_ * word_bytes}},
        *this, options);
  }

  void pack(const Piece& piece, std::byte* slot) override {
    count_up(first_operand(piece.origin), words_in(slot, piece.origin));
  }

  void compute(const BlockTask& task, std::byte* operands, std::byte* sums) override {
    const int origin = task.keys.origin;
    if (origin == ring().rank()) {
      count_up(first_share(ring().rank(), origin), home_->span());
      return;
    }
    seen_.emplace_back(origin, Words(static_cast<std::size_t>(words_of(origin))));
    seen_.back().second.copy(words_in(operands, origin));
    if (sums != nullptr) {
      count_up(first_share(ring().rank(), origin), words_in(sums, origin));
    }
  }

  void fold(const Fold& fold, std::byte* arrived, std::byte* into) override {
    add_words(words_in(arrived, fold.piece.origin),
              into == nullptr ? home_->span() : words_in(into, fold.piece.origin));
  }

  void expect_every_block_was_seen() const {
    EXPECT_EQ(static_cast<int>(seen_.size()), ring().size() - 1);
    for (const auto& [origin, words] : seen_) {
      EXPECT_EQ(words.download(), counted(first_operand(origin), words_of(origin))) << "the block of rank " << origin;
    }
  }

  void expect_sums_came_home() const {
    std::int64_t first = 0;
    for (int rank = 0; rank < ring().size(); ++rank) {
      first += first_share(rank, ring().rank());
    }
    EXPECT_EQ(home_->download(), counted(first, words_of(ring().rank()), ring().size()));
  }

 private:
  std::optional<Ring> ring_;
  std::int64_t longest_ = 0;  // block, in words
  std::optional<Words> slots_;
  std::optional<Lanes> lanes_;  // below the slots: a hop must not outlive its memory
  std::vector<std::pair<int, Words>> seen_;
  std::optional<Words> home_;
};

TEST_P(DeviceExecutor, EveryRankMeetsEveryBlock) {
  run(false);
  expect_every_block_was_seen();
}

TEST_P(DeviceExecutor, GradientsComeHomeComplete) {
  run(true);
  expect_every_block_was_seen();
  expect_sums_came_home();
}

TEST_P(DeviceExecutor, PlansMayFollowEachOtherWithoutAWait) {
  run(true);
  run(false);
  run(true);
  expect_every_block_was_seen();
  expect_sums_came_home();
}

TEST_P(DeviceExecutor, EveryStepIsTimedByEvents) {
  for (const bool has_gradients : {false, true}) {
    std::vector<double> seconds;
    run(has_gradients, {.step_seconds = &seconds});
    const int homecoming = has_gradients && ring().size() > 1 ? 1 : 0;
    EXPECT_EQ(static_cast<int>(seconds.size()), ring().size() + homecoming);
    EXPECT_TRUE(std::ranges::all_of(seconds, [](double step) { return step >= 0; }));
    expect_every_block_was_seen();
  }
}

/// What one GPU can show of NCCL: a rank that is its own neighbour, whose hop runs beside a kernel.
TEST(NcclSelfHop, BringsTheBlockBesideAComputeKernel) {
  const Communicator world = Communicator::world();
  const Communicator alone = world.split(world.rank(), 0);
  if (const std::string reason = why_unavailable(alone, Transport::nccl); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  const Ring self(alone.with_transport(Transport::nccl));
  ASSERT_EQ(self.next(), self.rank());
  constexpr std::int64_t count = 5000;
  Shift shift(self.communicator(), {.memory = DeviceKind::cuda});
  const Words mine(count);
  const Words arrived(count);
  const Words sums(count);
  const Words ones(std::vector<std::int64_t>(count, 1));
  count_up(0, sums.span());
  for (std::int64_t hop = 1; hop <= 4; ++hop) {
    count_up(1000 * hop, mine.span());
    shift.start(self.neighbours(), std::as_bytes(mine.span()), std::as_writable_bytes(arrived.span()));
    add_words(ones.span(), sums.span());  // reads and writes nothing of the hop's
    shift.wait();
    add_words(arrived.span(), sums.span());
  }
  EXPECT_EQ(arrived.download(), counted(4000, count));
  // 0 + 1 + 2 + 3 + 4 blocks of a rising count, the starts 1000 (1 + 2 + 3 + 4), and one a hop.
  EXPECT_EQ(sums.download(), counted(1000 * 10 + 4, count, 5));
  EXPECT_EQ(shift.traffic().bytes, 4 * count * word_bytes);
}

std::string transport_name(const ::testing::TestParamInfo<Transport>& info) { return std::string(name_of(info.param)); }

INSTANTIATE_TEST_SUITE_P(Transports, DeviceExecutor, ::testing::ValuesIn(device_transports), transport_name);

}  // namespace
}  // namespace ringworld::test
