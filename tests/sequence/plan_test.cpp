/// @file  The plans of all ranks together, on a machine made of sets: what each slot holds, who writes it while somebody
/// reads it, and what is at home in the end. No communicator, no numbers.

#include "sequence/plan.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "sequence/plan_cost.hpp"

namespace ringworld::test {
namespace {

/// What a slot holds: the block of a rank, and if it is a sum, whose shares are in it.
struct Content {
  int block = none;
  std::multiset<int> shares;

  friend bool operator==(const Content&, const Content&) = default;
};

/// One lane of one rank: its slots, and the transfer that is under way.
struct LaneState {
  std::vector<Content> slots;
  std::optional<Transfer> under_way;

  [[nodiscard]] bool is_read(int slot) const {
    if (!under_way.has_value()) {
      return false;
    }
    return under_way->motion == Motion::all_gather       ? slot == under_way->from_slot
           : under_way->motion == Motion::reduce_scatter ? true
                                                         : slot == under_way->from_slot;
  }
  [[nodiscard]] bool is_written(int slot) const {
    if (!under_way.has_value()) {
      return false;
    }
    switch (under_way->motion) {
      case Motion::send_receive:
        return slot == under_way->to_slot;
      case Motion::all_gather:
        return slot != under_way->from_slot;
      case Motion::reduce_scatter:
        return true;
    }
    return true;
  }
};

/// All ranks, in lockstep, in the order of the executor.
class Machine {
 public:
  Machine(Schedule schedule, AttentionPass pass, BackwardRotation rotation, int ranks)
      : ranks_(ranks), has_sums_(pass == AttentionPass::backward) {
    for (int rank = 0; rank < ranks; ++rank) {
      plans_.push_back(make_plan(schedule, pass, rotation, ranks, rank));
      const Plan& plan = plans_.back();
      lanes_[0].push_back(
          {.slots = std::vector<Content>(static_cast<std::size_t>(plan.slots.operands)), .under_way = {}});
      lanes_[1].push_back({.slots = std::vector<Content>(static_cast<std::size_t>(plan.slots.sums)), .under_way = {}});
      if (plan.packed_slot != none) {
        slot(0, rank, plan.packed_slot).block = rank;
      }
      EXPECT_EQ(plan.steps, plans_.front().steps) << "ranks go from step to step together";
      EXPECT_EQ(plan.slots, plans_.front().slots);
    }
    home_.resize(static_cast<std::size_t>(ranks));
  }

  void run() {
    for (int step = 0; step < plans_.front().steps; ++step) {
      post(0, step);
      compute(step);
      receive(1, step + 1);
      fold(step + 1);
      post(1, step + 1);
      receive(0, step + 1);
    }
    for (const auto& lane : lanes_) {
      for (const LaneState& state : lane) {
        EXPECT_FALSE(state.under_way.has_value()) << "a transfer is never waited for";
      }
    }
  }

  /// How often each (queries, keys) was computed.
  [[nodiscard]] const std::map<std::pair<int, int>, int>& computed() const { return computed_; }
  /// Whose shares are in a rank's own sums.
  [[nodiscard]] const std::multiset<int>& home(int rank) const { return home_[static_cast<std::size_t>(rank)]; }
  [[nodiscard]] const Plan& plan(int rank) const { return plans_[static_cast<std::size_t>(rank)]; }

 private:
  [[nodiscard]] LaneState& lane(std::size_t index, int rank) { return lanes_[index][static_cast<std::size_t>(rank)]; }
  [[nodiscard]] Content& slot(std::size_t index, int rank, int number) {
    return lane(index, rank).slots.at(static_cast<std::size_t>(number));
  }

  template <class Function>
  void each_transfer(std::size_t index, const Function& function) {
    for (int rank = 0; rank < ranks_; ++rank) {
      for (const Transfer& transfer : plan(rank).transfers) {
        if (is_sum(transfer.cargo) == (index == 1)) {
          function(rank, transfer);
        }
      }
    }
  }

  void post(std::size_t index, int step) {
    each_transfer(index, [&](int rank, const Transfer& transfer) {
      if (transfer.posted_before != step) {
        return;
      }
      LaneState& state = lane(index, rank);
      ASSERT_FALSE(state.under_way.has_value()) << "one transfer of a lane at a time";
      ASSERT_GT(transfer.needed_before, transfer.posted_before);
      if (transfer.motion == Motion::send_receive) {
        EXPECT_EQ(slot(index, rank, transfer.from_slot).block, transfer.sent) << "the slot holds another block";
        EXPECT_NE(transfer.from_slot, transfer.to_slot);
      } else {
        EXPECT_EQ(slot(index, rank, rank).block, rank) << "a collective finds each rank's block in its place";
      }
      state.under_way = transfer;
    });
  }

  void receive(std::size_t index, int step) {
    // All first read what is sent, as it is at the end: nothing may have written it meanwhile.
    std::map<int, std::vector<Content>> arrived;  // of a rank: by slot
    each_transfer(index, [&](int rank, const Transfer& transfer) {
      if (transfer.needed_before == step) {
        arrived[rank] = what_comes(index, rank, transfer);
      }
    });
    each_transfer(index, [&](int rank, const Transfer& transfer) {
      if (transfer.needed_before == step) {
        lane(index, rank).slots = arrived[rank];
        lane(index, rank).under_way.reset();
      }
    });
  }

  [[nodiscard]] std::vector<Content> what_comes(std::size_t index, int rank, const Transfer& transfer) {
    std::vector<Content> slots = lane(index, rank).slots;
    const auto partner = [&](int other) -> const Transfer& {
      static const Transfer nothing;
      const auto& posted = lane(index, other).under_way;
      EXPECT_TRUE(posted.has_value()) << "rank " << other << " has not posted its part";
      return posted.has_value() ? *posted : nothing;
    };
    switch (transfer.motion) {
      case Motion::send_receive: {
        const Transfer& sender = partner(transfer.from);
        EXPECT_EQ(sender.to, rank);
        EXPECT_EQ(sender.sent, transfer.received);
        EXPECT_EQ(sender.cargo, transfer.cargo);
        EXPECT_EQ(sender.posted_before, transfer.posted_before);
        slots.at(static_cast<std::size_t>(transfer.to_slot)) = slot(index, transfer.from, sender.from_slot);
        break;
      }
      case Motion::all_gather:
        for (int other = 0; other < ranks_; ++other) {
          EXPECT_EQ(partner(other).motion, transfer.motion);
          slots.at(static_cast<std::size_t>(other)) = slot(index, other, other);
        }
        break;
      case Motion::reduce_scatter: {
        Content sum{.block = rank, .shares = {}};
        for (int other = 0; other < ranks_; ++other) {
          EXPECT_EQ(partner(other).motion, transfer.motion);
          const Content& of_other = slot(index, other, rank);
          EXPECT_EQ(of_other.block, rank) << "rank " << other;
          sum.shares.insert(of_other.shares.begin(), of_other.shares.end());
        }
        std::ranges::fill(slots, Content{});
        slots.at(static_cast<std::size_t>(rank)) = sum;
        break;
      }
    }
    return slots;
  }

  void compute(int step) {
    for (int rank = 0; rank < ranks_; ++rank) {
      for (const BlockTask& task : plan(rank).tasks) {
        if (task.step == step) {
          compute(rank, task);
        }
      }
    }
  }

  void compute(int rank, const BlockTask& task) {
    const int block = plan(rank).block_of(task);
    ++computed_[{task.queries, task.keys}];
    EXPECT_TRUE(task.queries == rank || task.keys == rank);
    EXPECT_EQ(task.operand_slot == none, block == rank);
    if (task.operand_slot != none) {
      EXPECT_EQ(slot(0, rank, task.operand_slot).block, block);
      EXPECT_FALSE(lane(0, rank).is_written(task.operand_slot)) << "a transfer writes what a task reads";
    }
    if (!has_sums_) {
      EXPECT_EQ(task.result_slot, none);
      return;
    }
    if (task.result_slot == none) {
      EXPECT_EQ(block, rank);
      home_[static_cast<std::size_t>(rank)].insert(rank);
      return;
    }
    EXPECT_FALSE(lane(1, rank).is_written(task.result_slot)) << "a transfer writes the slot of a task's sums";
    EXPECT_FALSE(lane(1, rank).is_read(task.result_slot)) << "a task writes sums that are being sent";
    slot(1, rank, task.result_slot) = {.block = block, .shares = {rank}};
  }

  void fold(int before) {
    for (int rank = 0; rank < ranks_; ++rank) {
      for (const Fold& fold : plan(rank).folds) {
        if (fold.before != before) {
          continue;
        }
        const Content& arrived = slot(1, rank, fold.arrived_slot);
        EXPECT_FALSE(lane(1, rank).is_written(fold.arrived_slot));
        EXPECT_EQ(arrived.block, fold.block);
        if (fold.into_slot == none) {
          EXPECT_EQ(fold.block, rank);
          EXPECT_EQ(fold.is_overwriting, home(rank).empty());
          home_[static_cast<std::size_t>(rank)].insert(arrived.shares.begin(), arrived.shares.end());
          continue;
        }
        EXPECT_FALSE(lane(1, rank).is_written(fold.into_slot));
        EXPECT_FALSE(lane(1, rank).is_read(fold.into_slot));
        Content& into = slot(1, rank, fold.into_slot);
        EXPECT_EQ(into.block, fold.block);
        into.shares.insert(arrived.shares.begin(), arrived.shares.end());
      }
    }
  }

  int ranks_;
  bool has_sums_;
  std::vector<Plan> plans_;
  std::array<std::vector<LaneState>, 2> lanes_;  // operands, sums; of each rank
  std::map<std::pair<int, int>, int> computed_;
  std::vector<std::multiset<int>> home_;
};

struct PlanCase {
  Schedule schedule = Schedule::ring;
  AttentionPass pass = AttentionPass::forward;
  BackwardRotation rotation = BackwardRotation::kv;
  int ranks = 1;
};

void PrintTo(const PlanCase& plan_case, std::ostream* stream) {
  *stream << name_of(plan_case.schedule) << ' ' << (plan_case.pass == AttentionPass::forward ? "forward" : "backward")
          << (plan_case.rotation == BackwardRotation::kv ? " kv" : " q") << " P=" << plan_case.ranks;
}

std::vector<PlanCase> plan_cases() {
  std::vector<PlanCase> cases;
  for (std::size_t schedule = 0; schedule < schedule_names.size(); ++schedule) {
    for (int ranks = 1; ranks <= 17; ++ranks) {
      const auto of = static_cast<Schedule>(schedule);
      cases.push_back({.schedule = of, .pass = AttentionPass::forward, .ranks = ranks});
      for (const BackwardRotation rotation : {BackwardRotation::kv, BackwardRotation::q}) {
        cases.push_back({.schedule = of, .pass = AttentionPass::backward, .rotation = rotation, .ranks = ranks});
      }
    }
  }
  return cases;
}

class Plans : public ::testing::TestWithParam<PlanCase> {};

TEST_P(Plans, ComputeEveryPairOnceAndBringEverySumHomeOnce) {
  const auto& [schedule, pass, rotation, ranks] = GetParam();
  Machine machine(schedule, pass, rotation, ranks);
  machine.run();
  EXPECT_EQ(std::ssize(machine.computed()), std::ptrdiff_t{ranks} * ranks);
  for (const auto& [pair, times] : machine.computed()) {
    EXPECT_EQ(times, 1) << "queries of rank " << pair.first << ", keys of rank " << pair.second;
  }
  for (int rank = 0; pass == AttentionPass::backward && rank < ranks; ++rank) {
    EXPECT_EQ(std::ssize(machine.home(rank)), ranks);
    for (int other = 0; other < ranks; ++other) {
      EXPECT_EQ(machine.home(rank).count(other), 1U) << "shares of rank " << other << " in the sums of rank " << rank;
    }
  }
}

TEST_P(Plans, MeetBlocksInTheOrderOfTheRing) {
  const auto& [schedule, pass, rotation, ranks] = GetParam();
  for (int rank = 0; rank < ranks; ++rank) {
    const Plan plan = make_plan(schedule, pass, rotation, ranks, rank);
    ASSERT_EQ(std::ssize(plan.tasks), ranks);
    for (int index = 0; index < ranks; ++index) {
      EXPECT_EQ(plan.block_of(plan.tasks[static_cast<std::size_t>(index)]), (rank - index + ranks) % ranks);
    }
  }
}

/// B = 2, T = 3 tokens on every rank, documents, 16-bit wire: k, q + dO + r + s, gk and gq bytes a token.
TEST_P(Plans, SendAndHoldWhatTheFormulasSay) {
  const auto& [schedule, pass, rotation, ranks] = GetParam();
  const AttentionProblem problem{.context_length = 3 * ranks,
                                 .batch = 2,
                                 .heads = 4,
                                 .kv_heads = 2,
                                 .head_size = 8,
                                 .wire_dtype = DType::bfloat16,
                                 .has_documents = true};
  const Partition partition(Layout::contiguous, problem.context_length, ranks);
  const bool do_keys_travel = pass == AttentionPass::forward || rotation == BackwardRotation::kv;
  const std::int64_t of_operands = do_keys_travel ? 2 * 2 * 8 * 2 + 4 : 2 * 4 * 8 * 2 + 3 * 4 * 4 + 4;
  const std::int64_t of_sums = do_keys_travel ? 8 * 2 * 8 : 4 * 4 * 8;
  const bool has_sums = pass == AttentionPass::backward;
  const std::int64_t others = ranks - 1;
  for (int rank = 0; rank < ranks; ++rank) {
    const SequenceTraffic traffic =
        traffic_of(make_plan(schedule, pass, rotation, ranks, rank), problem, partition, rank);
    EXPECT_EQ(traffic.operands.bytes, 6 * others * of_operands);
    EXPECT_EQ(traffic.gradients.bytes, has_sums ? 6 * others * of_sums : 0);
    EXPECT_EQ(traffic.operands.messages, others);
    EXPECT_EQ(traffic.gradients.messages, has_sums ? others : 0);
  }
  const SlotCounts slots = make_plan(schedule, pass, rotation, ranks, 0).slots;
  SlotCounts expected{};
  if (ranks > 1 && schedule == Schedule::ring) {
    expected = {.operands = 2, .sums = has_sums ? 3 : 0};
  } else if (ranks > 1) {
    expected = {.operands = ranks, .sums = has_sums ? ranks : 0};
  }
  EXPECT_EQ(slots, expected);
}

INSTANTIATE_TEST_SUITE_P(Schedules, Plans, ::testing::ValuesIn(plan_cases()));

}  // namespace
}  // namespace ringworld::test
