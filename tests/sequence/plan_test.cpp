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

/// What a slot holds: a piece, and if it is a sum, whose shares are in it.
struct Content {
  Piece piece;
  std::multiset<int> shares;

  friend bool operator==(const Content&, const Content&) = default;
};

/// The slots of one kind of one rank, and the transfers that are under way, one a lane.
struct Place {
  std::vector<Content> slots;
  std::map<LaneName, Transfer> under_way;
};

/// The slots that a transfer reads, or writes, until it is waited for.
std::set<int> slots_of(const Transfer& transfer, bool written, int rank, int ranks) {
  std::set<int> slots;
  const auto take_all = [&](bool but_mine) {
    for (int other = 0; other < ranks; ++other) {
      if (!but_mine || other != rank) {
        slots.insert(transfer.from_slot + other);
      }
    }
  };
  switch (transfer.motion) {
    case Motion::send_receive:
      if (written ? transfer.from != none : transfer.to != none) {
        slots.insert(written ? transfer.to_slot : transfer.from_slot);
      }
      break;
    case Motion::all_gather:
      if (written) {
        take_all(true);
      } else {
        slots.insert(transfer.from_slot + rank);
      }
      break;
    case Motion::reduce_scatter:
      take_all(false);
      break;
    case Motion::broadcast:
      if (written == (rank != transfer.sent.origin)) {
        slots.insert(transfer.from_slot);
      }
      break;
    case Motion::reduce:
    case Motion::reduce_maximum:
      slots.insert(transfer.from_slot);
      break;
  }
  return slots;
}

/// All ranks, in lockstep, in the order of the executor.
class Machine {
 public:
  Machine(const Schedule& schedule, AttentionPass pass, BackwardRotation rotation, int ranks) : ranks_(ranks) {
    for (int rank = 0; rank < ranks; ++rank) {
      plans_.push_back(make_plan(schedule, pass, rotation, ranks, rank));
      const Plan& plan = plans_.back();
      places_[0].push_back(
          {.slots = std::vector<Content>(static_cast<std::size_t>(plan.slots.operands)), .under_way = {}});
      places_[1].push_back({.slots = std::vector<Content>(static_cast<std::size_t>(plan.slots.sums)), .under_way = {}});
      EXPECT_EQ(plan.steps, plans_.front().steps) << "ranks go from step to step together";
      EXPECT_EQ(plan.slots, plans_.front().slots);
      EXPECT_EQ(plan.lanes, plans_.front().lanes) << "lanes are made together";
      EXPECT_EQ(plan.slot_piece, plans_.front().slot_piece);
    }
    home_.resize(static_cast<std::size_t>(ranks));
  }

  void run() {
    for (int step = 0; step < plans_.front().steps; ++step) {
      pack(step);
      post(0, step);
      compute(step);
      receive(1, step + 1);
      fold(step + 1);
      post(1, step + 1);
      receive(0, step + 1);
    }
    for (const auto& kind : places_) {
      for (const Place& place : kind) {
        EXPECT_TRUE(place.under_way.empty()) << "a transfer is never waited for";
      }
    }
  }

  /// The tasks of all ranks.
  [[nodiscard]] const std::vector<BlockTask>& computed() const { return computed_; }
  /// Whose shares are in a rank's own sums of a piece, which is whole, or one of the cut that the plan has.
  [[nodiscard]] const std::map<std::pair<Cut, int>, std::multiset<int>>& home(int rank) const {
    return home_[static_cast<std::size_t>(rank)];
  }
  [[nodiscard]] const Plan& plan(int rank) const { return plans_[static_cast<std::size_t>(rank)]; }

 private:
  [[nodiscard]] Place& place(std::size_t kind, int rank) { return places_[kind][static_cast<std::size_t>(rank)]; }
  [[nodiscard]] Content& slot(std::size_t kind, int rank, int number) {
    return place(kind, rank).slots.at(static_cast<std::size_t>(number));
  }
  [[nodiscard]] bool is_touched(std::size_t kind, int rank, int number, bool written) {
    return std::ranges::any_of(place(kind, rank).under_way, [&](const auto& entry) {
      return slots_of(entry.second, written, rank, ranks_).contains(number);
    });
  }

  template <class Function>
  void each_transfer(std::size_t kind, const Function& function) {
    for (int rank = 0; rank < ranks_; ++rank) {
      for (const Transfer& transfer : plan(rank).transfers) {
        if (is_sum(transfer.cargo) == (kind == 1)) {
          function(rank, transfer);
        }
      }
    }
  }

  void pack(int step) {
    for (int rank = 0; rank < ranks_; ++rank) {
      for (const Packing& packing : plan(rank).packings) {
        if (packing.before == step) {
          EXPECT_EQ(packing.piece.origin, rank);
          EXPECT_FALSE(is_touched(0, rank, packing.slot, false)) << "what is packed overwrites what is sent";
          EXPECT_FALSE(is_touched(0, rank, packing.slot, true));
          slot(0, rank, packing.slot) = {.piece = packing.piece, .shares = {}};
        }
      }
    }
  }

  void post(std::size_t kind, int step) {
    each_transfer(kind, [&](int rank, const Transfer& transfer) {
      if (transfer.posted_before != step) {
        return;
      }
      EXPECT_TRUE(std::ranges::count(plan(rank).lanes, PlannedLane{.of_sums = kind == 1, .name = transfer.lane}) == 1);
      EXPECT_EQ(is_of_hops(transfer.lane), transfer.motion == Motion::send_receive);
      ASSERT_FALSE(place(kind, rank).under_way.contains(transfer.lane)) << "one transfer of a lane at a time";
      ASSERT_GT(transfer.needed_before, transfer.posted_before);
      for (const int number : slots_of(transfer, true, rank, ranks_)) {
        EXPECT_FALSE(is_touched(kind, rank, number, true)) << "two transfers write one slot";
        EXPECT_FALSE(is_touched(kind, rank, number, false)) << "a transfer writes what another sends";
      }
      for (const int number : slots_of(transfer, false, rank, ranks_)) {
        EXPECT_FALSE(is_touched(kind, rank, number, true)) << "a transfer sends what another writes";
      }
      check_sent(kind, rank, transfer);
      place(kind, rank).under_way[transfer.lane] = transfer;
    });
  }

  /// What is sent is in its slot.
  void check_sent(std::size_t kind, int rank, const Transfer& transfer) {
    switch (transfer.motion) {
      case Motion::send_receive:
        EXPECT_TRUE(transfer.to != none || transfer.from != none);
        if (transfer.to != none) {
          EXPECT_NE(transfer.to, rank);
          EXPECT_EQ(slot(kind, rank, transfer.from_slot).piece, transfer.sent) << "the slot holds another piece";
        }
        break;
      case Motion::all_gather:
      case Motion::reduce_scatter:
        EXPECT_EQ(slot(kind, rank, transfer.from_slot + rank).piece, transfer.sent)
            << "a collective finds each rank's piece in its place";
        EXPECT_EQ(transfer.sent.origin, rank);
        break;
      case Motion::broadcast:
        if (rank == transfer.sent.origin) {
          EXPECT_EQ(slot(kind, rank, transfer.from_slot).piece, transfer.sent);
        }
        break;
      case Motion::reduce:
      case Motion::reduce_maximum:
        EXPECT_EQ(slot(kind, rank, transfer.from_slot).piece, transfer.sent);
        break;
    }
  }

  void receive(std::size_t kind, int step) {
    // All first read what is sent, as it is at the end: nothing may have written it meanwhile.
    std::map<std::pair<int, int>, Content> arrived;  // of a rank's slot
    each_transfer(kind, [&](int rank, const Transfer& transfer) {
      if (transfer.needed_before == step) {
        take_what_comes(kind, rank, transfer, arrived);
      }
    });
    for (const auto& [where, content] : arrived) {
      slot(kind, where.first, where.second) = content;
    }
    each_transfer(kind, [&](int rank, const Transfer& transfer) {
      if (transfer.needed_before == step) {
        place(kind, rank).under_way.erase(transfer.lane);
      }
    });
  }

  void take_what_comes(std::size_t kind, int rank, const Transfer& transfer,
                       std::map<std::pair<int, int>, Content>& arrived) {
    const auto partner = [&](int other) -> const Transfer& {
      static const Transfer nothing;
      const auto& posted = place(kind, other).under_way;
      EXPECT_TRUE(posted.contains(transfer.lane)) << "rank " << other << " has not posted its part";
      return posted.contains(transfer.lane) ? posted.at(transfer.lane) : nothing;
    };
    const auto check_partner = [&](int other) {
      const Transfer& of_other = partner(other);
      EXPECT_EQ(of_other.motion, transfer.motion);
      EXPECT_EQ(of_other.cargo, transfer.cargo);
      EXPECT_EQ(of_other.posted_before, transfer.posted_before);
      EXPECT_EQ(of_other.from_slot, transfer.from_slot);
    };
    switch (transfer.motion) {
      case Motion::send_receive: {
        if (transfer.from == none) {
          break;
        }
        const Transfer& sender = partner(transfer.from);
        EXPECT_EQ(sender.to, rank);
        EXPECT_EQ(sender.sent, transfer.received);
        EXPECT_EQ(sender.cargo, transfer.cargo);
        EXPECT_EQ(sender.posted_before, transfer.posted_before);
        arrived[{rank, transfer.to_slot}] = slot(kind, transfer.from, sender.from_slot);
        break;
      }
      case Motion::all_gather:
        for (int other = 0; other < ranks_; ++other) {
          check_partner(other);
          arrived[{rank, transfer.from_slot + other}] = slot(kind, other, transfer.from_slot + other);
        }
        break;
      case Motion::reduce_scatter: {
        Content sum{.piece = transfer.sent, .shares = {}};
        for (int other = 0; other < ranks_; ++other) {
          check_partner(other);
          const Content& of_other = slot(kind, other, transfer.from_slot + rank);
          EXPECT_EQ(of_other.piece, transfer.sent) << "rank " << other;
          sum.shares.insert(of_other.shares.begin(), of_other.shares.end());
          arrived[{rank, transfer.from_slot + other}] = {};
        }
        arrived[{rank, transfer.from_slot + rank}] = sum;
        break;
      }
      case Motion::broadcast:
        check_partner(transfer.sent.origin);
        arrived[{rank, transfer.from_slot}] = slot(kind, transfer.sent.origin, transfer.from_slot);
        break;
      case Motion::reduce: {
        Content sum{.piece = transfer.sent, .shares = {}};
        for (int other = 0; other < ranks_; ++other) {
          check_partner(other);
          const Content& of_other = slot(kind, other, transfer.from_slot);
          sum.shares.insert(of_other.shares.begin(), of_other.shares.end());
        }
        arrived[{rank, transfer.from_slot}] = rank == transfer.sent.origin ? sum : Content{};
        break;
      }
      case Motion::reduce_maximum:
        for (int other = 0; other < ranks_; ++other) {
          check_partner(other);
        }
        break;
    }
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
    const Piece& piece = plan(rank).piece_of(task);
    computed_.push_back(task);
    EXPECT_TRUE(task.queries.origin == rank || task.keys.origin == rank);
    EXPECT_EQ(task.queries.head_group, task.keys.head_group);
    EXPECT_EQ(task.queries.head_groups, task.keys.head_groups);
    EXPECT_EQ(task.operand_slot == none, piece.origin == rank);
    if (task.operand_slot != none) {
      EXPECT_EQ(slot(0, rank, task.operand_slot).piece, piece);
      EXPECT_FALSE(is_touched(0, rank, task.operand_slot, true)) << "a transfer writes what a task reads";
    }
    if (plan(rank).slots.sums == 0) {
      EXPECT_EQ(task.result_slot, none);
      return;
    }
    if (task.result_slot == none) {
      EXPECT_EQ(piece.origin, rank);
      take_home(rank, piece, {rank});
      return;
    }
    EXPECT_FALSE(is_touched(1, rank, task.result_slot, true)) << "a transfer writes the slot of a task's sums";
    EXPECT_FALSE(is_touched(1, rank, task.result_slot, false)) << "a task writes sums that are being sent";
    slot(1, rank, task.result_slot) = {.piece = piece, .shares = {rank}};
  }

  /// A whole piece counts for both of its halves.
  void take_home(int rank, const Piece& piece, const std::multiset<int>& shares) {
    const Cut cut_of_plan = plan(rank).slot_piece.cut;
    std::vector<Cut> cuts{piece.cut};
    if (piece.cut == Cut::whole && cut_of_plan == Cut::lower) {
      cuts = {Cut::lower, Cut::upper};
    } else if (piece.cut == Cut::whole && cut_of_plan == Cut::early) {
      cuts = {Cut::early, Cut::late};
    }
    for (const Cut cut : cuts) {
      home_[static_cast<std::size_t>(rank)][{cut, piece.head_group}].insert(shares.begin(), shares.end());
    }
  }

  void fold(int before) {
    for (int rank = 0; rank < ranks_; ++rank) {
      for (const Fold& fold : plan(rank).folds) {
        if (fold.before == before) {
          run(rank, fold);
        }
      }
    }
  }

  void run(int rank, const Fold& fold) {
    const Content& arrived = slot(1, rank, fold.arrived_slot);
    EXPECT_FALSE(is_touched(1, rank, fold.arrived_slot, true));
    EXPECT_EQ(arrived.piece, fold.piece);
    if (fold.kind == FoldKind::rescale) {
      EXPECT_FALSE(is_touched(1, rank, fold.arrived_slot, false));
      return;
    }
    if (fold.into_slot == none) {
      EXPECT_EQ(fold.piece.origin, rank);
      EXPECT_EQ(fold.kind == FoldKind::replace, !home(rank).contains({fold.piece.cut, fold.piece.head_group}));
      take_home(rank, fold.piece, arrived.shares);
      return;
    }
    EXPECT_FALSE(is_touched(1, rank, fold.into_slot, true));
    EXPECT_FALSE(is_touched(1, rank, fold.into_slot, false));
    Content& into = slot(1, rank, fold.into_slot);
    if (fold.kind == FoldKind::replace) {
      into = arrived;
      return;
    }
    EXPECT_EQ(into.piece, fold.piece);
    into.shares.insert(arrived.shares.begin(), arrived.shares.end());
  }

  int ranks_;
  std::vector<Plan> plans_;
  std::array<std::vector<Place>, 2> places_;  // of operands, of sums; of each rank
  std::vector<BlockTask> computed_;
  std::vector<std::map<std::pair<Cut, int>, std::multiset<int>>> home_;
};

struct PlanCase {
  Schedule schedule;
  AttentionPass pass = AttentionPass::forward;
  BackwardRotation rotation = BackwardRotation::kv;
  int ranks = 1;
};

void PrintTo(const PlanCase& plan_case, std::ostream* stream) {
  *stream << describe(plan_case.schedule) << ' ' << (plan_case.pass == AttentionPass::forward ? "forward" : "backward")
          << (plan_case.rotation == BackwardRotation::kv ? " kv" : " q") << " P=" << plan_case.ranks;
}

/// Every schedule with the parameters that `ranks` allow.
std::vector<Schedule> schedules_of(int ranks) {
  std::vector<Schedule> schedules;
  for (std::size_t index = 0; index < schedule_names.size(); ++index) {
    Schedule schedule(static_cast<ScheduleKind>(index));
    switch (schedule.kind) {
      case ScheduleKind::ring:
        schedules.push_back(schedule);
        schedule.is_trimmed = true;
        schedules.push_back(schedule);
        break;
      case ScheduleKind::all_gather:
        for (const int groups : {1, 2, 3, 4}) {
          schedule.head_groups = groups;
          schedules.push_back(schedule);
        }
        break;
      case ScheduleKind::double_ring:
        for (int window = 1; window <= ranks; ++window) {
          if (ranks % window == 0) {
            schedule.window = window;
            schedules.push_back(schedule);
          }
        }
        break;
      default:
        schedules.push_back(schedule);
    }
  }
  return schedules;
}

std::vector<PlanCase> plan_cases() {
  std::vector<PlanCase> cases;
  for (int ranks = 1; ranks <= 17; ++ranks) {
    for (const Schedule& schedule : schedules_of(ranks)) {
      cases.push_back({.schedule = schedule, .pass = AttentionPass::forward, .ranks = ranks});
      for (const BackwardRotation rotation : {BackwardRotation::kv, BackwardRotation::q}) {
        if (!schedule.is_trimmed || rotation == BackwardRotation::kv) {
          cases.push_back(
              {.schedule = schedule, .pass = AttentionPass::backward, .rotation = rotation, .ranks = ranks});
        }
      }
    }
  }
  return cases;
}

template <class Check>
void each_case(const Check& check) {
  for (const PlanCase& plan_case : plan_cases()) {
    SCOPED_TRACE(::testing::PrintToString(plan_case));
    check(plan_case);
    if (::testing::Test::HasFailure()) {
      return;
    }
  }
}

/// Three or four tokens a rank: (query, key, group) of every task, in the numbering of the sequence.
void check_pairs_and_sums(const PlanCase& plan_case) {
  const auto& [schedule, pass, rotation, ranks] = plan_case;
  Machine machine(schedule, pass, rotation, ranks);
  machine.run();
  const int groups = std::max(1, machine.plan(0).slot_piece.head_groups);
  const Partition partition(Layout::zigzag, 4 * ranks - 1, ranks);
  std::map<std::array<std::int64_t, 3>, int> computed;
  const auto positions_of = [&](const Piece& piece) {
    std::vector<std::int64_t> positions;
    for (const TokenRun& run : runs_of(partition, piece)) {
      for (std::int64_t index = 0; index < run.count; ++index) {
        positions.push_back(run.token + index * run.stride);
      }
    }
    return positions;
  };
  for (const BlockTask& task : machine.computed()) {
    for (const std::int64_t query : positions_of(task.queries)) {
      for (const std::int64_t key : positions_of(task.keys)) {
        for (std::int64_t group = 0; group < groups; ++group) {
          if (task.queries.head_groups == 1 || task.queries.head_group == group) {
            ++computed[{query, key, group}];
          }
        }
      }
    }
  }
  for (std::int64_t query = 0; query < partition.context_length(); ++query) {
    for (std::int64_t key = 0; key < partition.context_length(); ++key) {
      for (std::int64_t group = 0; group < groups; ++group) {
        const int times = computed[{query, key, group}];
        if (key <= query || !schedule.is_trimmed) {
          ASSERT_EQ(times, 1) << "query " << query << ", key " << key << ", head group " << group;
        } else {
          ASSERT_LE(times, 1) << "query " << query << ", key " << key << ", head group " << group;
        }
      }
    }
  }
  for (int rank = 0; rank < ranks && machine.plan(0).slots.sums > 0; ++rank) {
    for (const auto& [piece, shares] : machine.home(rank)) {
      for (int other = 0; other < ranks; ++other) {
        const bool sees = piece.first != Cut::late || other <= rank;
        EXPECT_EQ(shares.count(other), sees ? 1U : 0U) << "shares of rank " << other << " in the sums of rank " << rank;
      }
    }
  }
}

void check_order(const PlanCase& plan_case) {
  const auto& [schedule, pass, rotation, ranks] = plan_case;
  const bool is_in_order =
      (schedule.kind == ScheduleKind::ring && !schedule.is_trimmed) || schedule.kind == ScheduleKind::pass_q ||
      schedule.kind == ScheduleKind::all_gather ||
      (schedule.kind == ScheduleKind::double_ring && (schedule.window == 1 || schedule.window == ranks));
  if (!is_in_order) {
    return;
  }
  for (int rank = 0; rank < ranks; ++rank) {
    const Plan plan = make_plan(schedule, pass, rotation, ranks, rank);
    std::map<int, std::vector<int>> met;  // by head group
    for (const BlockTask& task : plan.tasks) {
      const Piece& piece = plan.piece_of(task);
      for (int group = 0; group < plan.slot_piece.head_groups; ++group) {
        if (piece.head_groups == 1 || piece.head_group == group) {
          met[group].push_back(piece.origin);
        }
      }
    }
    for (const auto& [group, origins] : met) {
      ASSERT_EQ(std::ssize(origins), ranks);
      for (int index = 0; index < ranks; ++index) {
        EXPECT_EQ(origins[static_cast<std::size_t>(index)], (rank - index + ranks) % ranks);
      }
    }
  }
}

/// Sums over ranks of bytes and messages, in blocks of operands (k) and of sums (g) of one rank.
struct ExpectedTraffic {
  double operands = 0;  ///< blocks
  double sums = 0;
};

/// B = 2, T = 4 tokens on every rank, documents, 16-bit wire: k, q + dO + r + s, gk and gq bytes a token.
void check_traffic(const PlanCase& plan_case) {
  const auto& [schedule, pass, rotation, ranks] = plan_case;
  constexpr std::int64_t heads = 24;
  constexpr std::int64_t kv_heads = 12;
  constexpr std::int64_t head_size = 8;
  const AttentionProblem problem{.context_length = 4 * ranks,
                                 .batch = 2,
                                 .heads = heads,
                                 .kv_heads = kv_heads,
                                 .head_size = head_size,
                                 .wire_dtype = DType::bfloat16,
                                 .has_documents = true};
  const Partition partition(Layout::zigzag, problem.context_length, ranks);
  const bool is_forward = pass == AttentionPass::forward;
  const bool do_queries_travel =
      schedule.kind == ScheduleKind::pass_q || schedule.kind == ScheduleKind::broadcast_queries;
  // Bytes a token, of operands and of sums.
  const std::int64_t groups = ranks > 1 ? schedule.head_groups : 1;
  std::int64_t k = 2 * kv_heads * head_size * 2 + 4 * groups;  // ids travel with each group of heads
  std::int64_t g = is_forward ? 0 : 8 * kv_heads * head_size;
  if (is_forward && do_queries_travel) {
    k = heads * head_size * 2 + 4;
    g = schedule.kind == ScheduleKind::pass_q ? 4 * heads * (head_size + 2) : 4 * heads * (head_size + 1 + 2);
  } else if (!is_forward && rotation == BackwardRotation::q) {
    k = 2 * heads * head_size * 2 + 3 * heads * 4 + 4 * groups;
    g = 4 * heads * head_size;
  }
  const double others = ranks - 1;
  ExpectedTraffic expected{.operands = ranks * others, .sums = ranks * others};
  if (schedule.is_trimmed && ranks > 1) {
    expected.operands *= 0.75;
    // Of the late half of the block of rank o: o hops, the last of them from rank 0 straight home.
    expected.sums *= 0.75;
  } else if (schedule.kind == ScheduleKind::double_ring && schedule.window > 1 && schedule.window < ranks) {
    expected.sums = ranks * static_cast<double>(ranks + ranks / schedule.window - 2);
  }
  SequenceTraffic all;
  for (int rank = 0; rank < ranks; ++rank) {
    const SequenceTraffic mine = traffic_of(make_plan(schedule, pass, rotation, ranks, rank), problem, partition, rank);
    all.operands += mine.operands;
    all.gradients += mine.gradients;
  }
  EXPECT_DOUBLE_EQ(static_cast<double>(all.operands.bytes), 8.0 * static_cast<double>(k) * expected.operands);
  EXPECT_DOUBLE_EQ(static_cast<double>(all.gradients.bytes), 8.0 * static_cast<double>(g) * expected.sums);
}

/// Slots in units of a block of all heads and tokens.
void check_slots(const PlanCase& plan_case) {
  const auto& [schedule, pass, rotation, ranks] = plan_case;
  const Plan plan = make_plan(schedule, pass, rotation, ranks, 0);
  double operands = 2;
  double sums = 3;
  if (schedule.kind == ScheduleKind::all_gather) {
    operands = sums = schedule.head_groups == 1 ? ranks : 2.0 * ranks / schedule.head_groups;
  } else if (schedule.kind == ScheduleKind::double_ring && schedule.window > 1 && schedule.window < ranks) {
    operands = 4;
    sums = 5;
  } else if (schedule.kind == ScheduleKind::broadcast) {
    sums = 2;
  } else if (schedule.kind == ScheduleKind::broadcast_queries) {
    sums = pass == AttentionPass::forward ? 3 : 2;
  } else if (schedule.is_trimmed) {
    sums = 3.5;
  }
  const bool has_sums = pass == AttentionPass::backward || !plan.do_keys_travel();
  if (ranks == 1) {
    operands = 0;
  }
  if (ranks == 1 || !has_sums) {
    sums = 0;
  }
  const double share =
      (plan.slot_piece.cut == Cut::whole ? 1.0 : 0.5) / static_cast<double>(plan.slot_piece.head_groups);
  EXPECT_DOUBLE_EQ(plan.slots.operands * share, operands);
  EXPECT_DOUBLE_EQ(plan.slots.sums * share, sums);
}

TEST(DoubleRing, LeavesANodeOnceAWindow) {
  const AttentionProblem problem{.context_length = 48, .heads = 2, .kv_heads = 1, .head_size = 8};
  for (const auto& [ranks, window] : {std::pair{4, 2}, std::pair{6, 2}, std::pair{6, 3}, std::pair{16, 4}}) {
    Schedule schedule(ScheduleKind::double_ring);
    schedule.window = window;
    std::vector<int> nodes;
    for (int rank = 0; rank < ranks; ++rank) {
      nodes.push_back(rank / window);
    }
    const Partition partition(Layout::zigzag, problem.context_length, ranks);
    const int others = ranks / window - 1;
    const std::int64_t forward =
        planned_traffic(schedule, problem, partition, AttentionPass::forward, BackwardRotation::kv, nodes)
            .operands.bytes_between_nodes;
    EXPECT_EQ(forward, others * problem.context_length * 2 * 8 * 4);
    // A flat ring: every boundary between nodes is passed at every hop.
    const std::int64_t flat =
        planned_traffic({}, problem, partition, AttentionPass::forward, BackwardRotation::kv, nodes)
            .operands.bytes_between_nodes;
    EXPECT_DOUBLE_EQ(static_cast<double>(flat) / static_cast<double>(forward),
                     static_cast<double>(ranks - 1) / (ranks - window));
  }
}

TEST(Plans, ComputeEveryVisiblePairOnceAndBringEverySumHomeOnce) { each_case(check_pairs_and_sums); }
TEST(Plans, MeetBlocksInTheOrderOfTheRing) { each_case(check_order); }
TEST(Plans, SendWhatTheFormulasSay) { each_case(check_traffic); }
TEST(Plans, HoldWhatTheFormulasSay) { each_case(check_slots); }

}  // namespace
}  // namespace ringworld::test
