#include "experiments/train/dry_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "comm/communicator.hpp"
#include "core/error.hpp"
#include "model/flop.hpp"
#include "sequence/partition.hpp"
#include "sequence/schedule_check.hpp"
#include "train/memory_plan.hpp"

namespace ringworld {
namespace {

constexpr double gibibyte = 1024.0 * 1024.0 * 1024.0;

std::string bytes_text(std::int64_t bytes) {
  const auto value = static_cast<double>(bytes);
  return value >= gibibyte ? fmt::format("{:.2f} GiB", value / gibibyte)
                           : fmt::format("{:.2f} MiB", value / (1024.0 * 1024.0));
}

/// The schedule of a stage. Where a double ring takes its window from nodes, it says so: a plan knows no nodes.
std::string schedule_text(const TrainingPlan& plan, const Stage& stage) {
  const Communicator ranks = Communicator::pretended(0, static_cast<int>(stage.mesh[MeshAxis::sp]));
  const Schedule decided = with_window(plan.schedule, ranks);
  return decided == plan.schedule
             ? describe(decided)
             : describe(decided) + " (the ranks of a node; --window or RINGWORLD_RANKS_PER_NODE give others)";
}

}  // namespace

std::string describe_cost(const TrainingPlan& plan, std::int64_t ranks) {
  std::string text =
      fmt::format("parameters                 {}\nranks                      {}\nrecomputation              {}\n",
                  parameter_count(plan.model), ranks, name_of(plan.recomputation));
  for (std::size_t index = 0; index < plan.stages.size(); ++index) {
    const Stage& stage = plan.stages[index];
    const MemoryByUse memory = plan_largest_memory(plan, stage);
    const auto tokens = static_cast<double>(stage.tokens_per_step());
    text += fmt::format("\nstage {}: context_length {} mesh {} batch {} rope_theta {:g} steps {}\n", index,
                        stage.context_length, stage.mesh.to_string(), stage.batch, stage.rope_theta, stage.steps);
    text += fmt::format("  schedule                 {}\n", schedule_text(plan, stage));
    text += fmt::format("  tokens per rank          {}\n",
                        Partition(plan.layout, stage.context_length, stage.mesh[MeshAxis::sp], plan.schedule.ulysses)
                            .tokens_per_rank());
    for (std::size_t use = 0; use < memory_use_names.size(); ++use) {
      text += fmt::format("  {:<24} {}\n", memory_use_names[use], bytes_text(memory.bytes[use]));
    }
    text += fmt::format("  {:<24} {}\n", "memory per rank", bytes_text(memory.total()));
    for (const bool is_causal : {true, false}) {
      const double flop = tokens * training_flop_per_token(plan.model, stage.context_length, is_causal);
      text += fmt::format("  FLOP per step ({:<6})     {:.6e} ({:.6e} a rank)\n", is_causal ? "causal" : "full", flop,
                          flop / static_cast<double>(ranks));
    }
  }
  return text;
}

void require_fits(const TrainingPlan& plan, std::int64_t memory_per_rank) {
  require_input(memory_per_rank >= 0, fmt::format("--memory-per-rank {}: give 0 (no limit) or more", memory_per_rank));
  if (memory_per_rank == 0) {
    return;
  }
  for (std::size_t index = 0; index < plan.stages.size(); ++index) {
    const MemoryByUse memory = plan_largest_memory(plan, plan.stages[index]);
    const auto largest = static_cast<std::size_t>(std::ranges::max_element(memory.bytes) - memory.bytes.begin());
    require_input(memory.total() <= memory_per_rank,
                  fmt::format("stage {}: a rank needs {}, most of it {} for {}, and --memory-per-rank is {}; use more "
                              "ranks, a smaller micro_batch or --recomputation full",
                              index, bytes_text(memory.total()), bytes_text(memory.bytes[largest]),
                              memory_use_names[largest], bytes_text(memory_per_rank)));
  }
}

}  // namespace ringworld
