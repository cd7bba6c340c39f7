#include "experiments/attention/overlap_probe.hpp"

#include <algorithm>
#include <array>

#include "perf/samples.hpp"

namespace ringworld {
namespace {

constexpr std::array<RotationMode, 3> modes{RotationMode::compute_only, RotationMode::transfer_only,
                                            RotationMode::compute_and_transfer};

bool is_backward(const PointData& data) { return data.options().pass == AttentionPass::backward; }

void run_pass(PointData& data, const RotationOptions& rotation) {
  if (is_backward(data)) {
    data.attention().backward(data.backward(), rotation);
  } else {
    data.attention().forward(data.forward(), rotation);
  }
}

/// Whether some transfer is waited for at `step`.
bool waits_at(const PointData& data, int step) {
  return step + 1 < data.ring().size() || (is_backward(data) && step > 1);
}

/// Bytes that this rank sends and must see through before the end of `step`: in a backward pass the gradients of the
/// step before as well; step P is the last hop home.
std::int64_t bytes_of_step(const PointData& data, const Partition& partition, int step) {
  const AttentionProblem& problem = data.options().problem;
  const auto tokens_at = [&](int hops) { return partition.tokens(data.ring().origin_after(hops)) * problem.batch; };
  const bool has_operands = step + 1 < data.ring().size();
  if (!is_backward(data)) {
    return has_operands ? tokens_at(step) * kv_wire_bytes_per_token(problem) : 0;
  }
  const BackwardRotation rotation = *data.options().backward_rotation;
  const std::int64_t operands =
      rotation == BackwardRotation::kv ? kv_wire_bytes_per_token(problem) : q_wire_bytes_per_token(problem);
  return (has_operands ? tokens_at(step) * operands : 0) +
         (step > 1 ? tokens_at(step - 1) * gradient_wire_bytes_per_token(problem, rotation) : 0);
}

}  // namespace

double overlap_of(double t_compute, double t_comm, double t_both) {
  const double smaller = std::min(t_compute, t_comm);
  return smaller > 0 ? (t_compute + t_comm - t_both) / smaller : 0;
}

std::vector<HopRow> probe_overlap(PointData& data, std::int64_t repeats) {
  const int hops = is_backward(data) ? data.ring().size() + 1 : data.ring().size() - 1;
  std::array<std::vector<std::vector<double>>, modes.size()> samples;  // [mode][hop][repeat]
  for (auto& mode_samples : samples) {
    mode_samples.resize(static_cast<std::size_t>(hops));
  }
  // The modes take turns, so that a drift of the machine meets all of them.
  for (std::int64_t repeat = 0; repeat < repeats; ++repeat) {
    for (std::size_t mode = 0; mode < modes.size(); ++mode) {
      std::vector<double> steps;
      run_pass(data, {.mode = modes[mode], .step_seconds = &steps});
      for (int hop = 0; hop < hops; ++hop) {
        const auto index = static_cast<std::size_t>(hop);
        samples[mode][index].push_back(steps[index]);
      }
    }
  }

  const Partition& partition = data.attention().partition();
  std::vector<HopRow> rows;
  for (int hop = 0; hop < hops; ++hop) {
    if (!waits_at(data, hop)) {
      continue;
    }
    const auto median = [&](std::size_t mode) {
      return summarize(samples[mode][static_cast<std::size_t>(hop)]).median;
    };
    HopRow row;
    row.rank = data.ring().rank();
    row.hop = hop;
    row.t_compute = median(0);
    row.t_comm = median(1);
    row.t_both = median(2);
    row.exposed = row.t_both - row.t_compute;
    row.overlap = overlap_of(row.t_compute, row.t_comm, row.t_both);
    row.bytes = bytes_of_step(data, partition, hop);
    row.polling = data.options().is_polling;
    std::ranges::copy(data.ring().communicator().all_gather(row), std::back_inserter(rows));
  }
  return rows;
}

}  // namespace ringworld
