#include "sequence/plan_time.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <span>
#include <tuple>
#include <utility>

#include "core/error.hpp"
#include "sequence/exchange_block.hpp"
#include "sequence/plan_cost.hpp"
#include "sequence/travelling_block.hpp"

namespace ringworld {
namespace {

std::size_t index_of(int value) { return static_cast<std::size_t>(value); }

double log2_ceiling(int ranks) { return std::ceil(std::log2(static_cast<double>(ranks))); }

/// The link between ranks of these nodes: the slowest that it needs.
const LinkTime& link_of(const PlanRates& rates, bool is_between_nodes) {
  return is_between_nodes ? rates.network : rates.node;
}

bool span_nodes(const std::vector<int>& nodes) {
  return std::ranges::any_of(nodes, [&](int node) { return node != nodes.front(); });
}

/// @param bytes  that the busiest rank must send or receive
double group_seconds(const PlanRates& rates, GroupMotion motion, int ranks, bool is_between_nodes, double bytes) {
  if (ranks == 1) {
    return 0;
  }
  if (const auto& measured = rates.groups[static_cast<std::size_t>(motion)]; measured.has_value()) {
    return measured->latency + bytes / measured->bytes_per_second;
  }
  const LinkTime& link = link_of(rates, is_between_nodes);
  const double once = bytes / link.bytes_per_second;
  switch (motion) {
    case GroupMotion::all_gather:
    case GroupMotion::reduce_scatter:
    case GroupMotion::all_to_all:
      return (ranks - 1) * link.latency + once;
    case GroupMotion::broadcast:
    case GroupMotion::reduce:
      return log2_ceiling(ranks) * link.latency + once;
    case GroupMotion::all_reduce:
      return 2 * (log2_ceiling(ranks) * link.latency + once);
  }
  throw Error(ErrorKind::internal, "a motion outside its enumeration");
}

/// A transfer of a rank as far as its time needs it.
struct Flow {
  int to = none;
  int from = none;
  int owner = none;  ///< of a collective
  int posted_before = 0;
  int needed_before = 0;
  Motion motion = Motion::send_receive;
  LaneName lane = LaneName::up;
  bool of_sums = false;
  bool is_between_nodes = false;
  double bytes = 0;    ///< sent; of a collective: that the busiest rank sends or receives
  double seconds = 0;  ///< of a collective
  double end = 0;      ///< of a message that is sent: when it has arrived
};

/// What a rank does in a pass.
struct RankWork {
  std::vector<Flow> flows;              ///< in rising order of posted_before
  std::vector<std::size_t> first_flow;  ///< of each boundary, and their number
  std::vector<double> packing;          ///< of each boundary
  std::vector<double> tasks;            ///< of each step
  std::vector<double> folds;            ///< of each boundary

  [[nodiscard]] std::span<Flow> posted(int boundary) {
    return std::span(flows).subspan(first_flow[index_of(boundary)],
                                    first_flow[index_of(boundary) + 1] - first_flow[index_of(boundary)]);
  }
};

/// Reads plans, and forgets them.
class PlanReader {
 public:
  PlanReader(const TimedPlans& plans, const PlanRates& rates) : plans_(plans), rates_(rates) {}

  RankWork read(int rank) {
    const Plan plan = plans_.plan_of(rank);
    require(steps_ == 0 || steps_ == plan.steps, "plans of one pass have as many steps");
    steps_ = plan.steps;
    const std::size_t boundaries = index_of(plan.steps) + 1;
    RankWork work{.flows = {},
                  .first_flow = std::vector<std::size_t>(boundaries + 1),
                  .packing = std::vector<double>(boundaries),
                  .tasks = std::vector<double>(boundaries),
                  .folds = std::vector<double>(boundaries)};
    for (const Packing& packing : plan.packings) {
      work.packing[index_of(packing.before)] += 2 * memory_seconds(bytes(plan.operands, packing.piece));
    }
    for (const BlockTask& task : plan.tasks) {
      work.tasks[index_of(task.step)] += seconds_of(task);
    }
    for (const Fold& fold : plan.folds) {
      // Read and written; what is added to is read as well.
      const double passes = fold.kind == FoldKind::add ? 3 : 2;
      work.folds[index_of(fold.before)] += passes * memory_seconds(bytes(plan.sums, fold.piece));
    }
    for (const Transfer& transfer : plan.transfers) {
      work.flows.push_back(flow_of(transfer, rank));
    }
    std::ranges::stable_sort(work.flows, {}, &Flow::posted_before);
    for (const Flow& flow : work.flows) {
      ++work.first_flow[index_of(flow.posted_before) + 1];
    }
    for (std::size_t boundary = 0; boundary < boundaries; ++boundary) {
      work.first_flow[boundary + 1] += work.first_flow[boundary];
    }
    return work;
  }

  [[nodiscard]] int steps() const { return steps_; }

 private:
  [[nodiscard]] double memory_seconds(double count) const { return count / rates_.memory_bytes_per_second; }

  const std::vector<TokenRun>& runs(const Piece& piece) {
    auto [found, is_new] = runs_.try_emplace(std::pair(piece.origin, piece.cut));
    if (is_new) {
      found->second = runs_of(plans_.partition, piece);
    }
    return found->second;
  }

  double bytes(Cargo cargo, const Piece& piece) {
    std::int64_t tokens = 0;
    for (const TokenRun& run : runs(piece)) {
      tokens += run.count;
    }
    return static_cast<double>(bytes_of(problem_of(plans_.problem, piece), cargo, tokens).count);
  }

  double seconds_of(const BlockTask& task) {
    const AttentionProblem heads = problem_of(plans_.problem, task.queries);
    double seconds = 0;
    for (const BlockPair& pair : visible_block_pairs(runs(task.queries), runs(task.keys), plans_.is_causal)) {
      const std::int64_t pairs = visible_pairs(std::span(&pair, 1), plans_.is_causal);
      if (pairs == 0) {
        continue;
      }
      const std::int64_t all = pair.queries.count * pair.keys.count;
      const auto [found, is_new] =
          seconds_.try_emplace(std::tuple(pair.queries.count, pair.keys.count, pairs, heads.heads), 0.0);
      if (is_new) {
        found->second = rates_.block_seconds({.is_backward = plans_.is_backward,
                                              .is_causal = pairs < all,
                                              .query_tokens = pair.queries.count,
                                              .key_tokens = pair.keys.count,
                                              .head_size = heads.head_size,
                                              .heads = heads.heads * heads.batch},
                                             static_cast<double>(pairs));
      }
      seconds += found->second;
    }
    return seconds;
  }

  /// The bytes of all pieces but the rank's own.
  double bytes_of_others(const Transfer& transfer, int rank) {
    double all = 0;
    for (int other = 0; other < static_cast<int>(plans_.partition.ranks()); ++other) {
      Piece piece = transfer.sent;
      piece.origin = other;
      all += other == rank ? 0 : bytes(transfer.cargo, piece);
    }
    return all;
  }

  Flow flow_of(const Transfer& transfer, int rank) {
    const int ranks = static_cast<int>(plans_.partition.ranks());
    Flow flow{.to = transfer.to,
              .from = transfer.from,
              .owner = transfer.sent.origin,
              .posted_before = transfer.posted_before,
              .needed_before = transfer.needed_before,
              .motion = transfer.motion,
              .lane = transfer.lane,
              .of_sums = is_sum(transfer.cargo)};
    if (transfer.motion == Motion::send_receive) {
      if (transfer.to != none) {
        flow.bytes = bytes(transfer.cargo, transfer.sent);
        flow.is_between_nodes = plans_.nodes[index_of(transfer.to)] != plans_.nodes[index_of(rank)];
      }
      return flow;
    }
    flow.is_between_nodes = span_nodes(plans_.nodes);
    const auto seconds = [&](GroupMotion motion, double moved) {
      return group_seconds(rates_, motion, ranks, flow.is_between_nodes, moved);
    };
    switch (transfer.motion) {
      case Motion::all_gather:
        flow.seconds = seconds(GroupMotion::all_gather, bytes_of_others(transfer, rank));
        break;
      case Motion::reduce_scatter:
        flow.seconds = seconds(GroupMotion::reduce_scatter, bytes_of_others(transfer, rank));
        break;
      case Motion::broadcast:
        flow.seconds = seconds(GroupMotion::broadcast, bytes(transfer.cargo, transfer.sent));
        break;
      case Motion::reduce:
        flow.seconds = seconds(GroupMotion::reduce, bytes(transfer.cargo, transfer.sent));
        break;
      case Motion::reduce_maximum:
        flow.seconds = seconds(GroupMotion::all_reduce, bytes(transfer.cargo, transfer.sent));
        break;
      case Motion::send_receive:
        break;
    }
    return flow;
  }

  const TimedPlans& plans_;
  const PlanRates& rates_;
  int steps_ = 0;
  std::map<std::pair<int, Cut>, std::vector<TokenRun>> runs_;
  std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>, double> seconds_;
};

/// Moves the clocks of all ranks on, step by step.
class Clocks {
 public:
  Clocks(const TimedPlans& plans, const PlanRates& rates, std::vector<double>& now)
      : rates_(rates), nodes_(plans.nodes), rings_(plans.rings), now_(now) {
    PlanReader reader(plans, rates);
    const int ranks = static_cast<int>(plans.partition.ranks());
    for (int rank = 0; rank < ranks; ++rank) {
      work_.push_back(reader.read(rank));
    }
    steps_ = reader.steps();
    for (auto& posts : posts_) {
      posts.resize(index_of(ranks) * (index_of(steps_) + 1));
    }
    latest_.resize(2 * (index_of(steps_) + 1), 0);
  }

  PassTime::Steps run(std::vector<double>& compute) {
    const std::size_t ranks = work_.size();
    PassTime::Steps times{.steps = steps_, .begin = std::vector<double>(ranks * (index_of(steps_) + 1))};
    std::vector<double> begin(ranks);
    std::vector<double> ends(ranks);  // of what a rank waits for in a step
    for (int step = 0; step < steps_; ++step) {
      for (std::size_t rank = 0; rank < ranks; ++rank) {
        begin[rank] = now_[rank];
        times.begin[rank * (index_of(steps_) + 1) + index_of(step)] = now_[rank];
        now_[rank] += work_[rank].packing[index_of(step)];
        post(false, rank, step);
      }
      carry(false, step);
      for (std::size_t rank = 0; rank < ranks; ++rank) {
        const double seconds = work_[rank].tasks[index_of(step)];
        now_[rank] += seconds;
        compute[rank] += seconds;
        const double of_sums = end_of_needed(true, rank, step + 1);
        ends[rank] = std::max(begin[rank], of_sums);
        busy_until_[rank] = now_[rank];
        now_[rank] = std::max(now_[rank], of_sums) + work_[rank].folds[index_of(step) + 1];
        post(true, rank, step + 1);
      }
      carry(true, step + 1);
      for (std::size_t rank = 0; rank < ranks; ++rank) {
        const double of_operands = end_of_needed(false, rank, step + 1);
        ends[rank] = std::max(ends[rank], of_operands);
        // What is not hidden of the shorter one comes on top of the longer one.
        const double shorter = std::min(busy_until_[rank], ends[rank]) - begin[rank];
        now_[rank] = std::max(now_[rank], of_operands) + (1 - rates_.overlap) * shorter;
      }
    }
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      times.begin[rank * (index_of(steps_) + 1) + index_of(steps_)] = now_[rank];
    }
    return times;
  }

 private:
  /// A message on its way to a port.
  struct Job {
    std::tuple<bool, int, int> port;  ///< between nodes; node or rank; neighbour
    double ready = 0;
    Flow* flow = nullptr;
  };

  /// Carries the messages that all ranks have posted before one step.
  void carry(bool of_sums, int boundary) {
    std::vector<Job> jobs;
    for (std::size_t rank = 0; rank < work_.size(); ++rank) {
      for (Flow& flow : work_[rank].posted(boundary)) {
        if (flow.of_sums != of_sums || flow.motion != Motion::send_receive || flow.to == none) {
          continue;
        }
        const Port port = link_of(rates_, flow.is_between_nodes).port;
        const int owner = port == Port::node ? nodes_[rank] : static_cast<int>(rank);
        jobs.push_back(
            {.port = {flow.is_between_nodes, owner, port == Port::cable ? flow.to : none},
             .ready = std::max(posted_at(of_sums, rank, boundary), posted_at(of_sums, index_of(flow.to), boundary)),
             .flow = &flow});
      }
    }
    std::ranges::stable_sort(jobs, {}, [](const Job& job) { return std::pair(job.port, job.ready); });
    for (auto first = jobs.begin(); first != jobs.end();) {
      const auto last = std::find_if(first, jobs.end(), [&](const Job& job) { return job.port != first->port; });
      leave_by_port(std::span(first, last));
      first = last;
    }
  }

  /// Messages of one port, in the order in which they are ready: behind those of earlier steps, among themselves in
  /// equal shares.
  void leave_by_port(std::span<Job> jobs) {
    const LinkTime& link = link_of(rates_, std::get<0>(jobs.front().port));
    const double bandwidth = link.bytes_per_second / (link.port == Port::node ? rings_ : 1);
    double& free = free_at_[jobs.front().port];
    double time = std::max(free, jobs.front().ready);
    std::vector<std::pair<double, Flow*>> active;  // bytes left
    std::size_t next = 0;
    while (next < jobs.size() || !active.empty()) {
      if (active.empty() && next < jobs.size()) {
        time = std::max(time, jobs[next].ready);
      }
      for (; next < jobs.size() && jobs[next].ready <= time; ++next) {
        active.emplace_back(jobs[next].flow->bytes, jobs[next].flow);
      }
      const auto shortest = std::ranges::min_element(active, {}, [](const auto& left) { return left.first; });
      const double share = bandwidth / static_cast<double>(active.size());
      const double end = time + shortest->first / share;
      if (next < jobs.size() && jobs[next].ready < end) {
        for (auto& [left, flow] : active) {
          left -= (jobs[next].ready - time) * share;
        }
        time = jobs[next].ready;
        continue;
      }
      const double done = shortest->first;
      std::erase_if(active, [&](auto& entry) {
        entry.first -= done;
        if (entry.first <= 0) {
          entry.second->end = end + link.latency;
        }
        return entry.first <= 0;
      });
      time = end;
    }
    free = time;
  }

  double& posted_at(bool of_sums, std::size_t rank, int boundary) {
    return posts_[of_sums ? 1 : 0][rank * (index_of(steps_) + 1) + index_of(boundary)];
  }

  void post(bool of_sums, std::size_t rank, int boundary) {
    posted_at(of_sums, rank, boundary) = now_[rank];
    double& latest = latest_[2 * index_of(boundary) + (of_sums ? 1 : 0)];
    latest = std::max(latest, now_[rank]);
    for (const Flow& flow : work_[rank].posted(boundary)) {
      if (flow.of_sums == of_sums) {
        needed_[{flow.needed_before, of_sums, rank}].push_back(&flow);
      }
    }
  }

  /// When the last transfer has ended that this rank needs before a step.
  double end_of_needed(bool of_sums, std::size_t rank, int boundary) {
    const auto found = needed_.find({boundary, of_sums, rank});
    if (found == needed_.end()) {
      return 0;
    }
    double end = 0;
    for (const Flow* const flow : found->second) {
      end = std::max(end, end_of(*flow, rank));
    }
    needed_.erase(found);
    return end;
  }

  double end_of(const Flow& flow, std::size_t rank) {
    const double mine = posted_at(flow.of_sums, rank, flow.posted_before);
    const double latest = latest_[2 * index_of(flow.posted_before) + (flow.of_sums ? 1 : 0)];
    switch (flow.motion) {
      case Motion::send_receive: {
        double end = mine;
        if (flow.to != none) {
          end = flow.end;
        }
        if (flow.from != none) {
          end = std::max(end, sent_to(rank, flow).end);
        }
        return end;
      }
      case Motion::broadcast:
        return std::max(mine, posted_at(flow.of_sums, index_of(flow.owner), flow.posted_before)) + flow.seconds;
      case Motion::reduce:
        return (static_cast<int>(rank) == flow.owner ? latest : mine) + flow.seconds;
      case Motion::all_gather:
      case Motion::reduce_scatter:
      case Motion::reduce_maximum:
        return latest + flow.seconds;
    }
    throw Error(ErrorKind::internal, "a motion outside its enumeration");
  }

  /// The transfer by which its sender sends what `flow` receives.
  const Flow& sent_to(std::size_t rank, const Flow& flow) {
    for (const Flow& other : work_[index_of(flow.from)].posted(flow.posted_before)) {
      if (other.lane == flow.lane && other.of_sums == flow.of_sums && other.to == static_cast<int>(rank)) {
        return other;
      }
    }
    throw Error(ErrorKind::internal, "a plan receives what no other plan sends");
  }

  const PlanRates& rates_;
  const std::vector<int>& nodes_;
  int rings_;
  std::vector<double>& now_;
  std::vector<RankWork> work_;
  int steps_ = 0;
  std::array<std::vector<double>, 2> posts_;  // [of sums](rank, boundary)
  std::vector<double> latest_;                // (boundary, of sums)
  std::vector<double> busy_until_ = std::vector<double>(now_.size());
  std::map<std::tuple<int, bool, std::size_t>, std::vector<const Flow*>> needed_;
  std::map<std::tuple<bool, int, int>, double> free_at_;  // of each port
};

/// An exchange of heads among U neighbours: packed, sent, unpacked. Nothing hides it.
class Exchanges {
 public:
  Exchanges(const TimedPass& pass, const PlanRates& rates, const Partition& partition, std::vector<double>& clocks)
      : pass_(pass),
        rates_(rates),
        partition_(partition),
        problem_(exchanged_problem(pass.problem, pass.schedule.ulysses)),
        clocks_(clocks) {}

  void run(ExchangeCargo cargo) {
    const int neighbours = pass_.schedule.ulysses;
    for (int first = 0; first < pass_.ranks; first += neighbours) {
      exchange(cargo, first, neighbours);
    }
  }

 private:
  void exchange(ExchangeCargo cargo, int first, int neighbours) {
    const bool is_of_receiver = cargo == ExchangeCargo::results || cargo == ExchangeCargo::gradients;
    const std::vector<int> nodes(pass_.nodes.begin() + first, pass_.nodes.begin() + first + neighbours);
    double all = 0;
    for (int member = 0; member < neighbours; ++member) {
      all += bytes(cargo, first + member);
    }
    double begin = 0;
    double longest = 0;
    for (int member = 0; member < neighbours; ++member) {
      const double own = bytes(cargo, first + member);
      const double sent = is_of_receiver ? all - own : (neighbours - 1) * own;
      const double received = is_of_receiver ? (neighbours - 1) * own : all - own;
      const double packed = is_of_receiver ? all : neighbours * own;
      const double unpacked = is_of_receiver ? neighbours * own : all;
      const auto rank = index_of(first + member);
      begin = std::max(begin, clocks_[rank] + 2 * packed / rates_.memory_bytes_per_second);
      longest = std::max(longest, group_seconds(rates_, GroupMotion::all_to_all, neighbours, span_nodes(nodes),
                                                std::max(sent, received)));
      unpacking_ = std::max(unpacking_, 2 * unpacked / rates_.memory_bytes_per_second);
    }
    for (int member = 0; member < neighbours; ++member) {
      clocks_[index_of(first + member)] = begin + longest + unpacking_;
    }
    unpacking_ = 0;
  }

  [[nodiscard]] double bytes(ExchangeCargo cargo, int rank) const {
    return static_cast<double>(exchange_block_bytes(problem_, cargo, partition_.tokens(rank)));
  }

  const TimedPass& pass_;
  const PlanRates& rates_;
  const Partition& partition_;
  AttentionProblem problem_;
  std::vector<double>& clocks_;
  double unpacking_ = 0;
};

/// One pass of all ranks, from the clocks on.
PassTime::Steps time_one(const TimedPass& pass, const PlanRates& rates, AttentionPass direction,
                         std::vector<double>& clocks, std::vector<double>& compute) {
  const bool is_backward = direction == AttentionPass::backward;
  const int ulysses = pass.schedule.ulysses;
  const Partition partition(pass.layout, pass.problem.context_length, pass.ranks, ulysses);
  const auto plan_of = [&](const Schedule& schedule, int ranks) {
    return [&pass, direction, schedule, ranks](int rank) {
      return make_plan(schedule, direction, pass.rotation, ranks, rank);
    };
  };
  if (is_backward) {
    const std::int64_t row_bytes =
        2 * pass.problem.batch * pass.problem.heads * pass.problem.head_size * size_of(pass.problem.dtype);
    for (std::size_t rank = 0; rank < clocks.size(); ++rank) {
      clocks[rank] += static_cast<double>(partition.tokens(static_cast<std::int64_t>(rank)) * row_bytes) /
                      rates.memory_bytes_per_second;
    }
  }
  if (ulysses == 1) {
    return time_plans({.plan_of = plan_of(pass.schedule, pass.ranks),
                       .problem = pass.problem,
                       .partition = partition,
                       .is_causal = pass.is_causal,
                       .is_backward = is_backward,
                       .nodes = pass.nodes},
                      rates, clocks, compute);
  }
  Exchanges exchanges(pass, rates, partition, clocks);
  exchanges.run(is_backward ? ExchangeCargo::backward_operands : ExchangeCargo::forward_operands);
  const Partition of_rings = partition_of_rings(partition);
  const AttentionProblem problem = exchanged_problem(pass.problem, ulysses);
  const int ranks = pass.ranks / ulysses;
  const auto together = std::count(pass.nodes.begin(), pass.nodes.begin() + ulysses, pass.nodes.front());
  PassTime::Steps all;
  for (int ring = 0; ring < ulysses; ++ring) {
    std::vector<int> nodes;
    std::vector<double> clocks_of_ring;
    std::vector<double> compute_of_ring(index_of(ranks));
    for (int rank = ring; rank < pass.ranks; rank += ulysses) {
      nodes.push_back(pass.nodes[index_of(rank)]);
      clocks_of_ring.push_back(clocks[index_of(rank)]);
    }
    const PassTime::Steps steps = time_plans({.plan_of = plan_of(schedule_of_rings(pass.schedule), ranks),
                                              .problem = problem,
                                              .partition = of_rings,
                                              .is_causal = pass.is_causal,
                                              .is_backward = is_backward,
                                              .nodes = nodes,
                                              .rings = static_cast<int>(together)},
                                             rates, clocks_of_ring, compute_of_ring);
    all.steps = steps.steps;
    const std::size_t row = index_of(steps.steps) + 1;
    all.begin.resize(index_of(pass.ranks) * row);
    for (int member = 0; member < ranks; ++member) {
      const std::size_t rank = index_of(member * ulysses + ring);
      clocks[rank] = clocks_of_ring[index_of(member)];
      compute[rank] += compute_of_ring[index_of(member)];
      std::copy_n(steps.begin.begin() + static_cast<std::ptrdiff_t>(index_of(member) * row), row,
                  all.begin.begin() + static_cast<std::ptrdiff_t>(rank * row));
    }
  }
  exchanges.run(is_backward ? ExchangeCargo::gradients : ExchangeCargo::results);
  return all;
}

}  // namespace

PassTime::Steps time_plans(const TimedPlans& plans, const PlanRates& rates, std::vector<double>& clocks,
                           std::vector<double>& compute) {
  return Clocks(plans, rates, clocks).run(compute);
}

PassTime time_pass(const TimedPass& pass, const PlanRates& rates) {
  TimedPass all = pass;
  all.nodes.resize(index_of(pass.ranks), pass.nodes.empty() ? 0 : pass.nodes.back());
  std::vector<double> clocks(index_of(pass.ranks));
  std::vector<double> compute(clocks.size());
  PassTime time;
  if (pass.pass != AttentionPass::backward) {
    time.forward = time_one(all, rates, AttentionPass::forward, clocks, compute);
  }
  if (pass.pass != AttentionPass::forward) {
    time.backward = time_one(all, rates, AttentionPass::backward, clocks, compute);
  }
  time.seconds = std::ranges::max(clocks);
  time.compute = std::ranges::max(compute);
  time.compute_of_all = std::accumulate(compute.begin(), compute.end(), 0.0);
  return time;
}

std::function<double(const AttentionShape&, double)> block_seconds_of(const RateTable& table,
                                                                      double MeasuredRate::* figure,
                                                                      bool* is_extrapolated) {
  return [&table, figure, is_extrapolated](const AttentionShape& shape, double pairs) {
    const RateAt found = table.attention_rate(shape);
    if (is_extrapolated != nullptr) {
      *is_extrapolated = *is_extrapolated || found.is_extrapolated;
    }
    const double flop_a_pair =
        (shape.is_backward ? 10.0 : 4.0) * static_cast<double>(shape.head_size) * static_cast<double>(shape.heads);
    return flop_a_pair * pairs / (found.rate.*figure);
  };
}

}  // namespace ringworld
