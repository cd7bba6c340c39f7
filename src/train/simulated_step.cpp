#include "train/simulated_step.hpp"

#include <array>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "model/model.hpp"
#include "train/adamw_shards.hpp"
#include "train/phantom_step.hpp"

namespace ringworld {

SimulatedStep simulate_step(const Communicator& world, const TrainingPlan& full, const Stage& stage,
                            std::int64_t layers) {
  require(!traits_of(full.backend).computes, "a step is simulated by kernels that compute nothing");
  TrainingPlan plan = full;
  plan.model.layers = layers;
  const Mesh mesh(world, stage.mesh);
  ShardedParameters parameters(plan.model, mesh, plan.backend);
  AdamWShards optimizer(parameters, plan.optimizer, plan.backend, static_cast<int>(plan.threads));
  Model model(parameters, plan.model_options(stage));
  parameters.profile().start();
  world.barrier();
  const RankTraffic before = rank_traffic();
  const double start = now_seconds();
  take_phantom_step(parameters, optimizer, model, stage.sequences_per_rank() / stage.sequences_per_pass());
  SimulatedStep step;
  step.work = parameters.profile().collect();
  step.seconds = world.all_reduce(now_seconds() - start, Reduction::max);
  world.all_reduce(std::span<double>(step.work.seconds), Reduction::sum);
  for (double& seconds : step.work.seconds) {
    seconds /= world.size();
  }
  const RankTraffic mine = rank_traffic() - before;
  std::array<std::int64_t, 4> sums{mine.hops, mine.hop_bytes, mine.collectives, mine.collective_bytes};
  world.all_reduce(std::span<std::int64_t>(sums), Reduction::sum);
  step.traffic = {.hops = sums[0], .hop_bytes = sums[1], .collectives = sums[2], .collective_bytes = sums[3]};
  return step;
}

SimulatedStep extrapolate(const SimulatedStep& with_few, std::int64_t few, const SimulatedStep& with_more,
                          std::int64_t more, std::int64_t layers) {
  require(few < more && more <= layers, "more layers are simulated than few");
  const auto line = [&](auto at_few, auto at_more) {
    return at_more + (at_more - at_few) * (layers - more) / (more - few);
  };
  SimulatedStep step;
  step.seconds = line(with_few.seconds, with_more.seconds);
  for (std::size_t kind = 0; kind < step.work.seconds.size(); ++kind) {
    step.work.seconds[kind] = line(with_few.work.seconds[kind], with_more.work.seconds[kind]);
  }
  const RankTraffic& one = with_few.traffic;
  const RankTraffic& two = with_more.traffic;
  step.traffic = {.hops = line(one.hops, two.hops),
                  .hop_bytes = line(one.hop_bytes, two.hop_bytes),
                  .collectives = line(one.collectives, two.collectives),
                  .collective_bytes = line(one.collective_bytes, two.collective_bytes)};
  return step;
}

}  // namespace ringworld
