#include "experiments/train/simulated_train.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <optional>
#include <span>
#include <vector>

#include "comm/stop_agreement.hpp"
#include "core/activity.hpp"
#include "core/simulated_ranks.hpp"
#include "device/simulated/simulated_device.hpp"
#include "experiments/common/job_files.hpp"
#include "experiments/common/run_record.hpp"
#include "experiments/common/simulation.hpp"
#include "experiments/train/dry_run.hpp"
#include "io/console_table.hpp"
#include "model/flop.hpp"
#include "train/simulated_rows.hpp"
#include "train/simulated_step.hpp"

namespace ringworld {
namespace {

/// How many layers are simulated; 0 in `few`: the model as it is.
struct SimulatedLayers {
  std::int64_t few = 0;
  std::int64_t more = 0;
};

SimulatedLayers layers_of(const TrainOptions& values, const ModelConfig& model) {
  const std::vector<std::int64_t>& given = values.layers_simulated;
  require_input(given.size() <= 2 && (given.size() != 1 || given[0] == 0),
                "--layers-simulated: give two numbers of layers, as in 2,4, or 0 for all");
  if (given.size() != 2 || given[1] >= model.layers) {
    return {.few = 0, .more = model.layers};
  }
  require_input(
      given[0] >= 1 && given[0] < given[1],
      fmt::format("--layers-simulated {},{}: the first is 1 or more, the second is larger", given[0], given[1]));
  return {.few = given[0], .more = given[1]};
}

SimulatedStepRow describe(const TrainingPlan& plan, std::int64_t index, const SimulatedLayers& layers,
                          const Simulation& simulation, int ranks) {
  const Stage& stage = plan.stages[static_cast<std::size_t>(index)];
  SimulatedStepRow row;
  row.stages = std::string_view(plan.stages_name);
  row.stage = index;
  row.context_length = stage.context_length;
  row.steps = stage.steps;
  row.batch = stage.batch;
  row.micro_batch = stage.sequences_per_pass();
  row.mesh = std::string_view(stage.mesh.to_string());
  row.ranks = ranks;
  row.set_schedule(plan.schedule);
  row.layout = name_of(plan.layout);
  row.backend = name_of(plan.backend);
  row.dtype = name_of(plan.dtype);
  row.wire_dtype = name_of(plan.wire_dtype);
  row.recompute = name_of(plan.recomputation);
  row.parameters = parameter_count(plan.model);
  row.layers = plan.model.layers;
  row.layers_simulated = layers.more;
  row.fewer_layers_simulated = layers.few;
  row.rates = std::string_view(simulation.name);
  row.rates_digest = std::string_view(simulation.digest);
  row.platform = std::string_view(simulated_platform().name);
  row.platform_digest = std::string_view(simulated_platform().digest);
  row.tokens = stage.tokens_per_step();
  const auto tokens = static_cast<double>(row.tokens);
  row.flop_causal = tokens * training_flop_per_token(plan.model, stage.context_length, true);
  row.flop_full = tokens * training_flop_per_token(plan.model, stage.context_length, false);
  return row;
}

void simulate(const Communicator& world, const TrainingPlan& plan, const SimulatedLayers& layers,
              SimulatedStepRow& row) {
  const Stage& stage = plan.stages[static_cast<std::size_t>(row.stage)];
  const SimulatedStep larger = simulate_step(world, plan, stage, layers.more);
  SimulatedStep step = larger;
  row.time_simulated = larger.seconds;
  if (layers.few > 0) {
    const SimulatedStep smaller = simulate_step(world, plan, stage, layers.few);
    step = extrapolate(smaller, layers.few, larger, layers.more, row.layers);
    row.fewer_time_simulated = smaller.seconds;
    row.layer_time = (larger.seconds - smaller.seconds) / static_cast<double>(layers.more - layers.few);
    row.rest_time = smaller.seconds - static_cast<double>(layers.few) * row.layer_time;
  } else {
    row.rest_time = larger.seconds;
  }
  row.step_time = step.seconds;
  row.attention_time = step.work[Work::attention];
  row.product_time = step.work[Work::product];
  row.elementwise_time = step.work[Work::elementwise];
  row.communication_time = step.work[Work::communication];
  row.idle_time = step.seconds - step.work.total();
  row.hops = step.traffic.hops;
  row.hop_bytes = step.traffic.hop_bytes;
  row.collectives = step.traffic.collectives;
  row.collective_bytes = step.traffic.collective_bytes;
  row.stage_seconds = static_cast<double>(row.steps) * row.step_time;
  if (row.step_time > 0) {
    row.tokens_per_second = static_cast<double>(row.tokens) / row.step_time;
    const double peak = simulated_platform().peak_flops_per_second * static_cast<double>(row.ranks);
    row.mfu_causal = peak > 0 ? row.flop_causal / row.step_time / peak : 0;
    row.mfu_full = peak > 0 ? row.flop_full / row.step_time / peak : 0;
  }
  conclude(row, Outcome::ok);
}

void print_rows(std::span<const SimulatedStepRow> rows, const std::string& output) {
  constexpr std::array<std::string_view, 10> columns{"stage",     "context_length", "mesh",     "layers_simulated",
                                                     "layers",    "step_time",      "mfu_full", "communication_time",
                                                     "idle_time", "stage_seconds"};
  fmt::print("{}", console_table(rows, columns));
  double seconds = 0;
  for (const SimulatedStepRow& row : rows) {
    seconds += row.stage_seconds;
  }
  fmt::print("Simulated, not measured. {} stages, {:.1f} hours -> {}\n", rows.size(), seconds / 3600, output);
  std::fflush(stdout);
}

}  // namespace

int run_simulated_train(const Job& job, const TrainOptions& values, const std::string& configuration) {
  const Communicator& world = job.world;
  const JobFiles files(job, job_files("--config", values.files),
                       {{.flag = "--output", .path = values.output, .is_read_as_well = values.resume}});
  TrainingPlan plan;
  Simulation simulation;
  SimulatedLayers layers;
  on_every_rank(world, [&] {
    require_input(values.weights.empty(), "--weights: a simulated training has none; describe the model in [model]");
    simulation = read_simulation(values.rates);
    plan = make_plan(values, world.size());
    layers = layers_of(values, plan.model);
    validate(plan);
    require_fits(plan, values.memory_per_rank);
    set_simulated_time([&simulation](const Cost& cost) { return seconds_of(simulation.rates, cost); });
  });
  RunRecord record(job, {.output = values.output, .is_resumed = values.resume, .configuration = configuration});
  bool is_stopped = false;
  std::vector<SimulatedStepRow> wanted;
  for (std::int64_t index = 0; index < std::ssize(plan.stages) && !is_stopped; ++index) {
    const Phase phase("simulated stage {}", index);
    SimulatedStepRow row = describe(plan, index, layers, simulation, world.size());
    wanted.push_back(row);
    if (!record.holds(row)) {
      simulate(world, plan, layers, row);
      record.add(row);
    }
    is_stopped = is_stop_wanted(world);
  }
  record.finish();
  set_simulated_time({});
  on_root(world, [&] {
    std::vector<SimulatedStepRow> rows;
    for (const SimulatedStepRow& row : wanted) {
      if (const SimulatedStepRow* const held = record.find(row); held != nullptr) {
        rows.push_back(*held);
      }
    }
    print_rows(rows, values.output);
  });
  if (is_stopped) {
    return stopped_early(
        job, fmt::format("the stages that are left are not simulated; --resume goes on in {}", values.output));
  }
  return 0;
}

}  // namespace ringworld
