#include "sequence/plan_timing/rank_work.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "sequence/plan_cost.hpp"
#include "sequence/plan_timing/link_seconds.hpp"
#include "sequence/travelling_block.hpp"

namespace ringworld::plan_timing {

RankWork PlanReader::read(int rank) {
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

const std::vector<TokenRun>& PlanReader::runs(const Piece& piece) {
  auto [found, is_new] = runs_.try_emplace(std::pair(piece.origin, piece.cut));
  if (is_new) {
    found->second = runs_of(plans_.partition, piece);
  }
  return found->second;
}

double PlanReader::bytes(Cargo cargo, const Piece& piece) {
  std::int64_t tokens = 0;
  for (const TokenRun& run : runs(piece)) {
    tokens += run.count;
  }
  return static_cast<double>(bytes_of(problem_of(plans_.problem, piece), cargo, tokens).count);
}

double PlanReader::seconds_of(const BlockTask& task) {
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

double PlanReader::bytes_of_others(const Transfer& transfer, int rank) {
  double all = 0;
  for (int other = 0; other < static_cast<int>(plans_.partition.ranks()); ++other) {
    Piece piece = transfer.sent;
    piece.origin = other;
    all += other == rank ? 0 : bytes(transfer.cargo, piece);
  }
  return all;
}

double PlanReader::seconds_of_group(const Transfer& transfer, int rank, bool is_between_nodes) {
  const int ranks = static_cast<int>(plans_.partition.ranks());
  const auto seconds = [&](GroupMotion motion, double moved) {
    return group_seconds(rates_, motion, ranks, is_between_nodes, moved);
  };
  switch (transfer.motion) {
    case Motion::all_gather:
      return seconds(GroupMotion::all_gather, bytes_of_others(transfer, rank));
    case Motion::reduce_scatter:
      return seconds(GroupMotion::reduce_scatter, bytes_of_others(transfer, rank));
    case Motion::broadcast:
      return seconds(GroupMotion::broadcast, bytes(transfer.cargo, transfer.sent));
    case Motion::reduce:
      return seconds(GroupMotion::reduce, bytes(transfer.cargo, transfer.sent));
    case Motion::reduce_maximum:
      return seconds(GroupMotion::all_reduce, bytes(transfer.cargo, transfer.sent));
    case Motion::send_receive:
      return 0;
  }
  throw Error(ErrorKind::internal, "a motion outside its enumeration");
}

Flow PlanReader::flow_of(const Transfer& transfer, int rank) {
  Flow flow{.to = transfer.to,
            .from = transfer.from,
            .owner = transfer.sent.origin,
            .posted_before = transfer.posted_before,
            .needed_before = transfer.needed_before,
            .motion = transfer.motion,
            .lane = transfer.lane,
            .of_sums = is_sum(transfer.cargo)};
  if (transfer.motion != Motion::send_receive) {
    flow.is_between_nodes = span_nodes(plans_.nodes);
    flow.seconds = seconds_of_group(transfer, rank, flow.is_between_nodes);
  } else if (transfer.to != none) {
    flow.bytes = bytes(transfer.cargo, transfer.sent);
    flow.is_between_nodes = plans_.nodes[index_of(transfer.to)] != plans_.nodes[index_of(rank)];
  }
  return flow;
}

}  // namespace ringworld::plan_timing
