#include "experiments/train/vqgan/config.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "experiments/common/names.hpp"
#include "experiments/common/toml_table.hpp"
#include "experiments/train/config.hpp"
#include "experiments/train/optimizer_keys.hpp"

namespace ringworld {
namespace {

void read_architecture(TomlTable table, VqganConfig& config) {
  table.read("hidden_size", config.hidden_size);
  table.read("multipliers", config.multipliers);
  table.read("blocks", config.blocks);
  table.read("middle_blocks", config.middle_blocks);
  table.read("latent_channels", config.latent_channels);
  table.read("codebook_size", config.codebook_size);
  table.read("norm_groups", config.norm_groups);
  table.read("frame_side", config.frame_side);
  table.read("commitment", config.commitment);
  table.require_all_known();
}

void read_frames(TomlTable table, VqganFrames& frames) {
  table.read("frames", frames.training);
  table.read("evaluation", frames.evaluation);
  table.read("card_variants", frames.card_variants);
  table.read("card_shape_share", frames.card_shape_share);
  table.require_all_known();
}

void read_optimizer(TomlTable table, AdamWSettings& settings) {
  read_optimizer_keys(table, settings);
  table.require_all_known();
}

void read_training(TomlTable table, VqganOptions& values) {
  VqganTrainingPlan& plan = values.plan;
  LearningRateSchedule& rate = plan.learning_rate;
  std::string shape = "cosine";
  const bool has_steps = table.read("steps", plan.steps);
  table.read("batch", plan.batch);
  table.read("micro_batch", plan.micro_batch);
  const bool has_rate = table.read("learning_rate", rate.peak);
  table.read("min_learning_rate", rate.minimum);
  table.read("warmup", values.warmup);
  table.read("decay", shape);
  table.read("hold", rate.hold);
  table.read("absolute_weight", plan.absolute_weight);
  table.read("squared_weight", plan.squared_weight);
  table.read("codebook_weight", plan.codebook_weight);
  table.read("plain_steps", plan.plain_steps);
  table.read("seeding_frames", plan.seeding_frames);
  table.read("seeding_rounds", plan.seeding_rounds);
  table.read("restart_every", plan.restart_every);
  table.read("restart_until", plan.restart_until);
  table.read("evaluate_every", plan.evaluate_every);
  table.read("evaluation_frames", plan.evaluation_frames);
  table.require_all_known();  // first: a key that seems to be missing may be misspelt
  require_input(has_steps, fmt::format("{}: steps is missing", table.source()));
  require_input(has_rate, fmt::format("{}: learning_rate is missing", table.source()));
  rate.shape = parse_decay_shape(shape);
}

}  // namespace

bool is_vqgan_training(const std::string& path) { return parse_toml_file(path).contains("vqgan"); }

void declare(Options& options, VqganOptions& values) {
  options.add("config", values.config, "", "TOML file with [vqgan], [data], [optimizer] and [training] tables");
  options.add("seed", values.seed, "", "seed of the weights, of the frames and of the codebook's draws");
  options.add(
      "checkpoint", values.checkpoint, "",
      "HDF5 file of parameters, moments and progress; an existing one is renamed, unless --resume goes on from it");
  options.add("checkpoint-steps", values.checkpoint_steps, "step", "also write it every so many steps; 0 = no");
  options.add("checkpoint-seconds", values.checkpoint_seconds, "s", "also write it after this time; 0 = no");
  declare(options, values, {RunFlag::output});
  options.add("resume", values.resume, "", "go on from --checkpoint, if it is there");
  declare(options, values, {RunFlag::backend, RunFlag::transport, RunFlag::threads});
  options.add("dry-run", values.dry_run, "", "print parameters, memory per rank and FLOP per step; train nothing");
  options.add("ranks", values.ranks, "rank", "plan for so many ranks (with --dry-run); 0 = those of the job");
  options.add("memory-per-rank", values.memory_per_rank, "B",
              "refuse a plan that needs more (1G = 2^30); 0 = no limit");
  options.add("steps", values.steps, "step", "in place of the file's; 0 = as there");
  options.add("batch", values.batch, "frame", "frames a step, in place of the file's; 0 = as there");
}

VqganOptions read_vqgan_options(const std::string& path) {
  const toml::table file = parse_toml_file(path);
  TomlTable table(file, path);
  VqganOptions values;
  values.config = path;
  table.read("seed", values.seed);
  table.read("checkpoint", values.checkpoint);
  table.read("checkpoint_steps", values.checkpoint_steps);
  table.read("checkpoint_seconds", values.checkpoint_seconds);
  table.read("output", values.output);
  table.read("transport", values.transport);
  table.read("backend", values.backend);
  table.read("threads", values.threads);
  table.read("memory_per_rank", values.memory_per_rank);
  if (const auto* vqgan = table.table("vqgan")) {
    read_architecture({*vqgan, path + ": [vqgan]"}, values.plan.config);
  }
  if (const auto* data = table.table("data")) {
    read_frames({*data, path + ": [data]"}, values.frames);
  }
  if (const auto* optimizer = table.table("optimizer")) {
    read_optimizer({*optimizer, path + ": [optimizer]"}, values.plan.optimizer);
  }
  const auto* const training = table.table("training");
  table.require_all_known();
  require_input(training != nullptr, fmt::format("{}: there is no [training]", path));
  read_training({*training, path + ": [training]"}, values);
  return values;
}

VqganTrainingPlan make_plan(const VqganOptions& values) {
  VqganTrainingPlan plan = values.plan;
  plan.seed = values.seed;
  plan.backend = values.backend;
  plan.threads = values.threads;
  plan.steps = values.steps > 0 ? values.steps : plan.steps;
  plan.batch = values.batch > 0 ? values.batch : plan.batch;
  require_input(values.steps >= 0, fmt::format("--steps {}: give 0 (as in the file) or more", values.steps));
  require_input(values.batch >= 0, fmt::format("--batch {}: give 0 (as in the file) or more", values.batch));
  require_input(values.warmup >= 0, fmt::format("warmup is {}; give 0 or more steps, or a share", values.warmup));
  plan.learning_rate.warmup_steps = warmup_steps_of(values.warmup, plan.steps);
  plan.learning_rate.steps = plan.steps;
  validate(plan);
  return plan;
}

}  // namespace ringworld
