#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "vqgan/rank_share.hpp"
#include "vqgan/training.hpp"

namespace ringworld {
namespace {

void require_weight(const char* name, double value) {
  require_input(std::isfinite(value) && value >= 0, fmt::format("training: {} is {}; give 0 or more", name, value));
}

void require_count(const char* name, std::int64_t value, std::int64_t least) {
  require_input(value >= least, fmt::format("training: {} is {}; give {} or more", name, value, least));
}

}  // namespace

void validate(const VqganTrainingPlan& plan) {
  validate(plan.config);
  validate(plan.learning_rate);
  validate(plan.optimizer);
  require_count("steps", plan.steps, 1);
  require_count("batch", plan.batch, 1);
  require_count("micro_batch", plan.micro_batch, 0);
  require_count("plain_steps", plan.plain_steps, 0);
  require_count("seeding_frames", plan.seeding_frames, 1);
  require_count("seeding_rounds", plan.seeding_rounds, 0);
  require_count("restart_every", plan.restart_every, 0);
  require_count("evaluate_every", plan.evaluate_every, 0);
  require_count("evaluation_frames", plan.evaluation_frames, 1);
  require_weight("absolute_weight", plan.absolute_weight);
  require_weight("squared_weight", plan.squared_weight);
  require_weight("codebook_weight", plan.codebook_weight);
  require_input(plan.restart_until >= 0 && plan.restart_until <= 1,
                fmt::format("training: restart_until is {}; give a share of the steps, 0 to 1", plan.restart_until));
  require_input(plan.plain_steps < plan.steps,
                fmt::format("training: plain_steps is {} of {} steps; the quantiser needs steps too", plan.plain_steps,
                            plan.steps));
  const std::int64_t side = plan.config.codes_per_side();
  require_input(plan.seeding_frames * side * side >= plan.config.codebook_size,
                fmt::format("training: {} seeding_frames have {} vectors, the codebook has {} codes; give more frames",
                            plan.seeding_frames, plan.seeding_frames * side * side, plan.config.codebook_size));
}

std::int64_t frames_per_pass(const VqganTrainingPlan& plan, std::int64_t ranks) {
  const std::int64_t share = largest_share(plan.batch, ranks);
  return plan.micro_batch > 0 ? std::min(plan.micro_batch, share) : share;
}

MemoryByUse plan_vqgan_training_memory(const VqganTrainingPlan& plan, std::int64_t ranks) {
  return plan_vqgan_memory(describe_vqgan(plan.config), VqganUse::training, frames_per_pass(plan, ranks));
}

}  // namespace ringworld
