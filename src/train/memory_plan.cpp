#include "train/memory_plan.hpp"

#include <numeric>
#include <set>
#include <vector>

#include "device/counting/counting_devices.hpp"
#include "model/model.hpp"
#include "train/adamw_shards.hpp"
#include "train/phantom_step.hpp"

namespace ringworld {
namespace {

std::int64_t rank_count(const MeshShape& mesh) {
  return mesh[MeshAxis::dp] * mesh[MeshAxis::fsdp] * mesh[MeshAxis::tp] * mesh[MeshAxis::sp];
}

}  // namespace

MemoryByUse plan_memory(const TrainingPlan& plan, const Stage& stage, std::int64_t rank) {
  CountingDevices counting;
  const Communicator world = Communicator::pretended(static_cast<int>(rank), static_cast<int>(rank_count(stage.mesh)));
  ShardedParameters parameters(plan.model, Mesh(world, stage.mesh), plan.backend);
  AdamWShards optimizer(parameters, plan.optimizer, plan.backend, static_cast<int>(plan.threads));
  Model model(parameters, plan.model_options(stage));
  const DeviceKind memory = device_of(plan.backend);
  if (memory != DeviceKind::host) {  // on the host the attention kernel is the real one, and would compute
    take_phantom_step(parameters, optimizer, model, 1);
  }
  return counting.of(memory).memory().account().at_high_water;
}

MemoryByUse plan_largest_memory(const TrainingPlan& plan, const Stage& stage) {
  constexpr std::int64_t most_ranks = 64;
  const std::int64_t ranks = rank_count(stage.mesh);
  std::vector<std::int64_t> candidates;
  if (ranks <= most_ranks) {
    candidates.resize(static_cast<std::size_t>(ranks));
    std::iota(candidates.begin(), candidates.end(), std::int64_t{0});
  } else {
    // Ranks differ by their slice of the vocabulary (tp), by their tokens (sp), and by a few partial sums of squares.
    const Partition partition(plan.layout, stage.context_length, stage.mesh[MeshAxis::sp], plan.schedule.ulysses);
    std::set<std::int64_t> token_counts;
    for (std::int64_t sp = 0; sp < stage.mesh[MeshAxis::sp]; ++sp) {
      if (token_counts.insert(partition.tokens(sp)).second) {
        candidates.push_back(sp);
        candidates.push_back((stage.mesh[MeshAxis::tp] - 1) * stage.mesh[MeshAxis::sp] + sp);
      }
    }
  }
  MemoryByUse largest;
  for (const std::int64_t rank : candidates) {
    const MemoryByUse bytes = plan_memory(plan, stage, rank);
    largest = bytes.total() > largest.total() ? bytes : largest;
  }
  return largest;
}

}  // namespace ringworld
