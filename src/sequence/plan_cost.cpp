#include "sequence/plan_cost.hpp"

#include <algorithm>
#include <vector>

#include "sequence/visibility.hpp"

namespace ringworld {
namespace {

constexpr std::int64_t float_bytes = 4;
constexpr std::int64_t document_id_bytes = 4;

bool has_backward(AttentionPass pass) { return pass != AttentionPass::forward; }

std::int64_t slot_bytes(const Plan& plan, const AttentionProblem& problem, std::int64_t tokens) {
  return plan.slots.operands * block_bytes(problem, plan.operands, tokens) +
         plan.slots.sums * block_bytes(problem, gradient_of(plan.operands), tokens);
}

}  // namespace

BackwardRotation cheaper_rotation(const AttentionProblem& problem) {
  const auto of_token = [&](Cargo operands, Cargo sums) {
    return block_bytes(problem, operands, 1) + block_bytes(problem, sums, 1);
  };
  return of_token(Cargo::kv, Cargo::kv_gradient) <= of_token(Cargo::q, Cargo::q_gradient) ? BackwardRotation::kv
                                                                                          : BackwardRotation::q;
}

Traffic traffic_of(const Transfer& transfer, const AttentionProblem& problem, const Partition& partition, int rank) {
  const auto bytes_of = [&](std::int64_t block) {
    return block_bytes(problem, transfer.cargo, partition.tokens(block));
  };
  Traffic traffic{.hops = 1};
  const auto send = [&](std::int64_t bytes) {
    traffic.bytes += bytes;
    traffic.messages += bytes > 0 ? 1 : 0;
  };
  switch (transfer.motion) {
    case Motion::send_receive:
      send(bytes_of(transfer.sent));
      break;
    case Motion::all_gather:
      for (std::int64_t other = 1; other < partition.ranks(); ++other) {
        send(bytes_of(rank));
      }
      break;
    case Motion::reduce_scatter:
      for (std::int64_t other = 0; other < partition.ranks(); ++other) {
        if (other != rank) {
          send(bytes_of(other));
        }
      }
      break;
  }
  return traffic;
}

SequenceTraffic traffic_of(const Plan& plan, const AttentionProblem& problem, const Partition& partition, int rank) {
  SequenceTraffic traffic;
  for (const Transfer& transfer : plan.transfers) {
    (is_sum(transfer.cargo) ? traffic.gradients : traffic.operands) += traffic_of(transfer, problem, partition, rank);
  }
  return traffic;
}

SequenceTraffic planned_traffic(Schedule schedule, const AttentionProblem& problem, const Partition& partition,
                                AttentionPass pass, BackwardRotation rotation) {
  SequenceTraffic traffic;
  const auto ranks = static_cast<int>(partition.ranks());
  for (int rank = 0; rank < ranks; ++rank) {
    for (const AttentionPass one : {AttentionPass::forward, AttentionPass::backward}) {
      if (pass == one || pass == AttentionPass::forward_backward) {
        const SequenceTraffic mine =
            traffic_of(make_plan(schedule, one, rotation, ranks, rank), problem, partition, rank);
        traffic.operands += mine.operands;
        traffic.gradients += mine.gradients;
      }
    }
  }
  return traffic;
}

std::int64_t attention_arena_bytes(Schedule schedule, const AttentionProblem& problem, AttentionPass pass,
                                   BackwardRotation rotation, std::int64_t ranks, std::int64_t tokens) {
  const auto plan_of = [&](AttentionPass one) {
    return make_plan(schedule, one, rotation, static_cast<int>(ranks), 0);
  };
  // A backward pass follows a forward pass, whatever is timed.
  const std::int64_t output = problem.batch * tokens * problem.heads * problem.head_size * float_bytes;
  const std::int64_t forward = output + slot_bytes(plan_of(AttentionPass::forward), problem, tokens);
  return has_backward(pass) ? std::max(forward, slot_bytes(plan_of(AttentionPass::backward), problem, tokens))
                            : forward;
}

std::int64_t attention_peak_bytes(Schedule schedule, const AttentionProblem& problem, AttentionPass pass,
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

double layout_efficiency_bound(Schedule schedule, const Partition& partition, bool is_causal) {
  const auto ranks = static_cast<int>(partition.ranks());
  double all = 0;
  std::vector<double> busiest;  // of each step
  for (int rank = 0; rank < ranks; ++rank) {
    const Plan plan = make_plan(schedule, AttentionPass::forward, BackwardRotation::kv, ranks, rank);
    busiest.resize(static_cast<std::size_t>(plan.steps));
    std::vector<double> mine(busiest.size());
    for (const BlockTask& task : plan.tasks) {
      const auto pairs = static_cast<double>(visible_pairs_between(partition, task.queries, task.keys, is_causal));
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
