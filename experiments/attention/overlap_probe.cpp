#include "experiments/attention/overlap_probe.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <span>

#include "perf/samples.hpp"
#include "sequence/exchange_block.hpp"
#include "sequence/plan_cost.hpp"

namespace ringworld {
namespace {

constexpr std::array<PassMode, 3> modes{PassMode::compute_only, PassMode::transfer_only,
                                        PassMode::compute_and_transfer};

bool is_backward(const PointData& data) { return data.options().pass == AttentionPass::backward; }

void run_pass(PointData& data, const PassOptions& rotation) {
  if (is_backward(data)) {
    data.attention().backward(data.backward(), rotation);
  } else {
    data.attention().forward(data.forward(), rotation);
  }
}

/// This rank's plan of the pass that is probed: where heads are exchanged, that of its ring, whose steps are timed.
Plan plan_of(const PointData& data) {
  const Schedule& schedule = data.options().schedule;
  return make_plan(schedule_of_rings(schedule), is_backward(data) ? AttentionPass::backward : AttentionPass::forward,
                   data.attention().backward_rotation(), data.ranks().size() / schedule.ulysses,
                   data.ranks().rank() / schedule.ulysses);
}

bool is_waited_for_at(const Transfer& transfer, int step) { return transfer.needed_before == step + 1; }

/// Steps up to the last one at whose end some transfer is waited for.
int waiting_steps(const Plan& plan) {
  int steps = 0;
  for (const Transfer& transfer : plan.transfers) {
    steps = std::max(steps, transfer.needed_before);
  }
  return steps;
}

/// Bytes that this rank sends and must see through before the end of `step`.
std::int64_t bytes_of_step(const PointData& data, const Plan& plan, int step) {
  const Schedule& schedule = data.options().schedule;
  const int ulysses = schedule.ulysses;
  const AttentionProblem problem = exchanged_problem(data.options().problem, schedule);
  const Partition partition = partition_of_rings(data.attention().partition());
  std::int64_t bytes = 0;
  for (const Transfer& transfer : plan.transfers) {
    if (is_waited_for_at(transfer, step)) {
      bytes +=
          exchange_groups(schedule) * traffic_of(transfer, problem, partition, data.ranks().rank() / ulysses).bytes;
    }
  }
  return bytes;
}

/// Appends the numbers of all other ranks, in rank order, to the root's.
template <class Number>
void gather_on_root(const Communicator& ring, std::vector<Number>& numbers) {
  constexpr int tag = 0;
  const std::size_t mine = numbers.size();
  if (!ring.is_root()) {
    ring.send(std::as_bytes(std::span<const Number>(numbers)), 0, tag);
    return;
  }
  numbers.resize(mine * static_cast<std::size_t>(ring.size()));
  for (int rank = 1; rank < ring.size(); ++rank) {
    const auto place = std::span(numbers).subspan(mine * static_cast<std::size_t>(rank), mine);
    ring.receive(std::as_writable_bytes(place), rank, tag);
  }
}

}  // namespace

OverlapProbe probe_overlap(PointData& data, std::int64_t repeats) {
  const Plan plan = plan_of(data);
  const int steps_of_pass = waiting_steps(plan);
  std::array<std::vector<std::vector<double>>, modes.size()> samples;  // [mode][step][repeat]
  for (auto& mode_samples : samples) {
    mode_samples.resize(static_cast<std::size_t>(steps_of_pass));
  }
  // The modes take turns, so that a drift of the machine meets all of them.
  for (std::int64_t repeat = 0; repeat < repeats; ++repeat) {
    for (std::size_t mode = 0; mode < modes.size(); ++mode) {
      std::vector<double> steps;
      run_pass(data, {.mode = modes[mode], .step_seconds = &steps});
      for (int step = 0; step < steps_of_pass; ++step) {
        const auto index = static_cast<std::size_t>(step);
        samples[mode][index].push_back(steps[index]);
      }
    }
  }

  OverlapProbe probe;
  probe.row.polling = data.options().is_polling;
  probe.row.ranks = data.ranks().size();
  probe.row.steps = steps_of_pass;
  for (int step = 0; step < steps_of_pass; ++step) {
    const auto median = [&](std::size_t mode) {
      return static_cast<float>(summarize(samples[mode][static_cast<std::size_t>(step)]).median);
    };
    const bool waits =
        std::ranges::any_of(plan.transfers, [&](const Transfer& t) { return is_waited_for_at(t, step); });
    probe.t_compute.push_back(median(0));
    probe.t_comm.push_back(waits ? median(1) : std::numeric_limits<float>::quiet_NaN());
    probe.t_both.push_back(median(2));
    probe.bytes.push_back(waits ? bytes_of_step(data, plan, step) : 0);
  }
  const Communicator& ring = data.ranks();
  gather_on_root(ring, probe.t_compute);
  gather_on_root(ring, probe.t_comm);
  gather_on_root(ring, probe.t_both);
  gather_on_root(ring, probe.bytes);
  return probe;
}

}  // namespace ringworld
