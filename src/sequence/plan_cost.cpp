#include "sequence/plan_cost.hpp"

#include <algorithm>
#include <vector>

#include "sequence/exchange_block.hpp"
#include "sequence/visibility.hpp"

namespace ringworld {
namespace {

constexpr std::int64_t float_bytes = 4;
constexpr std::int64_t document_id_bytes = 4;

bool has_backward(AttentionPass pass) { return pass != AttentionPass::forward; }

std::int64_t all_slot_bytes(const Plan& plan, const AttentionProblem& problem, std::int64_t tokens) {
  return plan.slots.operands * slot_bytes(plan, problem, plan.operands, tokens) +
         plan.slots.sums * slot_bytes(plan, problem, plan.sums, tokens);
}

}  // namespace

BackwardRotation cheaper_rotation(const Schedule& schedule, const AttentionProblem& problem) {
  const AttentionProblem of_ring = exchanged_problem(problem, schedule);
  const auto of_token = [&](Cargo operands, Cargo sums) {
    return block_bytes(of_ring, operands, 1) + block_bytes(of_ring, sums, 1);
  };
  const bool are_keys_cheaper = of_token(Cargo::kv, Cargo::kv_gradient) <= of_token(Cargo::q, Cargo::q_gradient);
  return schedule.is_trimmed || are_keys_cheaper ? BackwardRotation::kv : BackwardRotation::q;
}

ByteRange bytes_of(const AttentionProblem& problem, const Partition& partition, Cargo cargo, const Piece& piece) {
  return bytes_of(problem_of(problem, piece), cargo, tokens_of(partition, piece));
}

std::int64_t slot_bytes(const Plan& plan, const AttentionProblem& problem, Cargo cargo, std::int64_t tokens) {
  return block_bytes(problem_of(problem, plan.slot_piece), cargo, most_tokens(plan.slot_piece.cut, tokens));
}

std::int64_t own_output_bytes(const Plan& plan, const AttentionProblem& problem, std::int64_t tokens) {
  return plan.has_own_result() ? problem.batch * tokens * problem.heads * problem.head_size * float_bytes : 0;
}

Traffic traffic_of(const Transfer& transfer, const AttentionProblem& problem, const Partition& partition, int rank,
                   const std::vector<int>& nodes) {
  Traffic traffic{.hops = 1};
  const auto send = [&](const Piece& piece, int to) {
    const std::int64_t bytes = bytes_of(problem, partition, transfer.cargo, piece).count;
    traffic.bytes += bytes;
    traffic.messages += bytes > 0 ? 1 : 0;
    if (!nodes.empty() && nodes[static_cast<std::size_t>(to)] != nodes[static_cast<std::size_t>(rank)]) {
      traffic.bytes_between_nodes += bytes;
    }
  };
  const auto send_to_all = [&](const auto& piece_for) {
    for (int other = 0; other < static_cast<int>(partition.ranks()); ++other) {
      if (other != rank) {
        send(piece_for(other), other);
      }
    }
  };
  const int owner = transfer.sent.origin;
  const auto same = [&](int /*other*/) { return transfer.sent; };
  const auto of_other = [&](int other) {
    Piece piece = transfer.sent;
    piece.origin = other;
    return piece;
  };
  switch (transfer.motion) {
    case Motion::send_receive:
      if (transfer.to != none) {
        send(transfer.sent, transfer.to);
      }
      break;
    case Motion::all_gather:
      send_to_all(same);
      break;
    case Motion::reduce_scatter:
      send_to_all(of_other);
      break;
    case Motion::broadcast:
      if (rank == owner) {
        send_to_all(same);
      }
      break;
    case Motion::reduce:
      if (rank != owner) {
        send(transfer.sent, owner);
      }
      break;
    case Motion::reduce_maximum:
      if (rank == owner) {
        send_to_all(same);
      } else {
        send(transfer.sent, owner);
      }
      break;
  }
  return traffic;
}

SequenceTraffic traffic_of(const Plan& plan, const AttentionProblem& problem, const Partition& partition, int rank,
                           const std::vector<int>& nodes) {
  SequenceTraffic traffic;
  for (const Transfer& transfer : plan.transfers) {
    (is_sum(transfer.cargo) ? traffic.gradients : traffic.operands) +=
        traffic_of(transfer, problem, partition, rank, nodes);
  }
  return traffic;
}

SequenceTraffic planned_traffic(const Schedule& schedule, const AttentionProblem& problem, const Partition& partition,
                                AttentionPass pass, BackwardRotation rotation, const std::vector<int>& nodes) {
  SequenceTraffic traffic;
  if (schedule.ulysses > 1) {
    const int groups = exchange_groups(schedule);
    for (int turn = 0; turn < schedule.ulysses * groups; ++turn) {
      const int ring = turn % schedule.ulysses;  // each runs once a group
      std::vector<int> nodes_of_ring;
      for (std::size_t rank = static_cast<std::size_t>(ring); rank < nodes.size();
           rank += static_cast<std::size_t>(schedule.ulysses)) {
        nodes_of_ring.push_back(nodes[rank]);
      }
      traffic += planned_traffic(schedule_of_rings(schedule), exchanged_problem(problem, schedule),
                                 partition_of_rings(partition), pass, rotation, nodes_of_ring);
    }
    for (std::int64_t rank = 0; rank < partition.ranks(); ++rank) {
      traffic += exchange_traffic(problem, partition, pass, rank, nodes, groups);
    }
    return traffic;
  }
  const auto ranks = static_cast<int>(partition.ranks());
  for (int rank = 0; rank < ranks; ++rank) {
    for (const AttentionPass one : {AttentionPass::forward, AttentionPass::backward}) {
      if (pass == one || pass == AttentionPass::forward_backward) {
        traffic += traffic_of(make_plan(schedule, one, rotation, ranks, rank), problem, partition, rank, nodes);
      }
    }
  }
  return traffic;
}

std::int64_t attention_arena_bytes(const Schedule& schedule, const AttentionProblem& problem, AttentionPass pass,
                                   BackwardRotation rotation, std::int64_t ranks, std::int64_t tokens) {
  if (schedule.ulysses > 1) {
    const std::int64_t ranks_of_ring = ranks / schedule.ulysses;
    // As many in every layout.
    const std::int64_t tokens_of_ring =
        Partition(Layout::contiguous, problem.context_length, ranks_of_ring).tokens_per_rank();
    return exchange_arena_bytes(problem, schedule.ulysses, pass, tokens, exchange_groups(schedule)) +
           attention_arena_bytes(schedule_of_rings(schedule), exchanged_problem(problem, schedule), pass, rotation,
                                 ranks_of_ring, tokens_of_ring);
  }
  const auto plan_of = [&](AttentionPass one) {
    return make_plan(schedule, one, rotation, static_cast<int>(ranks), 0);
  };
  // A backward pass follows a forward pass, whatever is timed.
  const Plan forward_plan = plan_of(AttentionPass::forward);
  const std::int64_t forward =
      own_output_bytes(forward_plan, problem, tokens) + all_slot_bytes(forward_plan, problem, tokens);
  return has_backward(pass) ? std::max(forward, all_slot_bytes(plan_of(AttentionPass::backward), problem, tokens))
                            : forward;
}

std::int64_t attention_peak_bytes(const Schedule& schedule, const AttentionProblem& problem, AttentionPass pass,
                                  BackwardRotation rotation, std::int64_t ranks, std::int64_t tokens,
                                  std::int64_t workspace_bytes) {
  const std::int64_t q_elements = problem.heads * problem.head_size;
  const std::int64_t kv_elements = problem.kv_heads * problem.head_size;
  const std::int64_t element_bytes = size_of(problem.dtype);
  const std::int64_t number_bytes = problem.heads * float_bytes;  // one number a query and head

  std::int64_t persistent = (2 * q_elements + 2 * kv_elements) * element_bytes + 2 * number_bytes +
                            (problem.has_documents ? document_id_bytes : 0);
  if (has_backward(pass)) {
    persistent += q_elements * element_bytes + number_bytes + (q_elements + 2 * kv_elements) * float_bytes;
  }
  return problem.batch * tokens * persistent + attention_arena_bytes(schedule, problem, pass, rotation, ranks, tokens) +
         workspace_bytes;
}

double layout_efficiency_bound(const Schedule& schedule, const Partition& partition, bool is_causal) {
  if (schedule.ulysses > 1) {
    return layout_efficiency_bound(schedule_of_rings(schedule), partition_of_rings(partition), is_causal);
  }
  const auto ranks = static_cast<int>(partition.ranks());
  double all = 0;
  std::vector<double> busiest;  // of each step
  for (int rank = 0; rank < ranks; ++rank) {
    const Plan plan = make_plan(schedule, AttentionPass::forward, BackwardRotation::kv, ranks, rank);
    busiest.resize(static_cast<std::size_t>(plan.steps));
    std::vector<double> mine(busiest.size());
    for (const BlockTask& task : plan.tasks) {
      const auto pairs = static_cast<double>(visible_pairs_between(partition, task.queries, task.keys, is_causal)) /
                         task.queries.head_groups;
      mine[static_cast<std::size_t>(task.step)] += pairs;
      all += pairs;
    }
    std::ranges::transform(mine, busiest, busiest.begin(), [](double a, double b) { return std::max(a, b); });
  }
  double slowest = 0;
  for (const double step : busiest) {
    slowest += step;
  }
  return all / (static_cast<double>(ranks) * slowest);
}

}  // namespace ringworld
