#include "experiments/train/vqgan/train.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cards/card_frames.hpp"
#include "comm/agreement.hpp"
#include "core/digest.hpp"
#include "core/log.hpp"
#include "device/device.hpp"
#include "experiments/common/content_digest.hpp"
#include "experiments/common/cpu_sharing.hpp"
#include "experiments/common/handwriting.hpp"
#include "experiments/common/job_files.hpp"
#include "experiments/common/run_record.hpp"
#include "experiments/train/training_settings.hpp"
#include "experiments/train/vqgan/config.hpp"
#include "experiments/train/vqgan/display.hpp"
#include "io/console_table.hpp"
#include "media/media_frames.hpp"
#include "tensors/tensor_source.hpp"
#include "vqgan/architecture.hpp"
#include "vqgan/checkpoint.hpp"

namespace ringworld {
namespace {

constexpr const char* description =
    "Trains a VQGAN, which turns frames into codes and back, as the TOML file's [vqgan], [data], [optimizer] and "
    "[training]\n"
    "say. Checkpoints are whole at any moment; --resume goes on from the last one, bit for bit.\n"
    "experiments/train/config/vqgan_cards.toml is an example.";

constexpr double seconds_between_commits = 5;
constexpr double mebibyte = 1024.0 * 1024.0;
constexpr std::uint64_t evaluation_seed = 99;
constexpr const char* machine_prefix = "machine: ";

/// Training and held-out frames.
struct FrameSources {
  std::unique_ptr<FrameSource> training;
  std::unique_ptr<FrameSource> evaluation;
};

FrameSources make_sources(const VqganOptions& values, const VqganTrainingPlan& plan) {
  const VqganFrames& frames = values.frames;
  const std::int64_t side = plan.config.frame_side;
  if (frames.training == std::vector<std::string>{"cards"}) {
    require_input(frames.evaluation.empty(),
                  "[data]: evaluation is for pictures; cards have their own, of handwriting that is never trained on");
    require_input(
        side % smallest_card_frame_side == 0,
        fmt::format("[vqgan]: frame_side is {}; cards need a multiple of {}", side, smallest_card_frame_side));
    const auto world = read_card_world({.variants = frames.card_variants, .frame_side = side});
    return {.training = make_card_frames(world, {.split = CardSplit::training,
                                                 .shape_share = frames.card_shape_share,
                                                 .seed = static_cast<std::uint64_t>(plan.seed)}),
            .evaluation =
                make_card_frames(world, {.split = CardSplit::evaluation, .shape_share = 0, .seed = evaluation_seed})};
  }
  require_input(!frames.training.empty(), "[data]: frames is empty; give \"cards\", or pictures, videos or folders");
  require_input(!frames.evaluation.empty(),
                "[data]: evaluation is missing: pictures, videos or folders that are not trained on");
  const auto read = [&](const std::vector<std::string>& names) {
    return make_media_frames({names.begin(), names.end()}, side);
  };
  return {.training = read(frames.training), .evaluation = read(frames.evaluation)};
}

/// All that decides the result, and under `machine` what changes roundings only.
std::vector<TrainingSetting> settings_of(const VqganTrainingPlan& plan, const FrameSources& sources,
                                         std::int64_t ranks) {
  std::vector<TrainingSetting> settings;
  const auto add = [&](const char* key, const auto& value) { settings.push_back({key, fmt::format("{}", value)}); };
  const LearningRateSchedule& rate = plan.learning_rate;
  add("seed", plan.seed);
  add("vqgan", to_text(plan.config));
  add("frames", sources.training->digest());
  add("evaluation", sources.evaluation->digest());
  add("steps", plan.steps);
  add("batch", plan.batch);
  add("learning_rate", rate.peak);
  add("min_learning_rate", rate.minimum);
  add("warmup", rate.warmup_steps);
  add("decay", name_of(rate.shape));
  add("hold", rate.hold);
  add("beta1", plan.optimizer.beta1);
  add("beta2", plan.optimizer.beta2);
  add("epsilon", plan.optimizer.epsilon);
  add("weight_decay", plan.optimizer.weight_decay);
  add("clip", plan.optimizer.clip);
  add("absolute_weight", plan.absolute_weight);
  add("squared_weight", plan.squared_weight);
  add("codebook_weight", plan.codebook_weight);
  add("plain_steps", plan.plain_steps);
  add("seeding_frames", plan.seeding_frames);
  add("seeding_rounds", plan.seeding_rounds);
  add("restart_every", plan.restart_every);
  add("restart_until", plan.restart_until);
  add("machine: backend", name_of(plan.backend));
  add("machine: ranks", ranks);
  add("machine: micro_batch", plan.micro_batch);
  return settings;
}

std::string digest_of_settings(std::span<const TrainingSetting> settings) {
  std::vector<std::string> texts;
  for (const TrainingSetting& setting : settings) {
    if (!setting.key.starts_with(machine_prefix)) {
      texts.push_back(setting.key);
      texts.push_back(setting.value);
    }
  }
  return content_digest(texts);
}

/// A resumed training is the same training; another machine is a warning of the root.
void check_resumed(const Communicator& world, const std::string& checkpoint,
                   const std::vector<TrainingSetting>& settings) {
  const auto source = open_tensor_source(world, checkpoint);
  for (const TrainingSetting& was : parse_settings(read_vqgan_settings(*source))) {
    const auto found = std::ranges::find(settings, was.key, &TrainingSetting::key);
    const std::string is = found == settings.end() ? "nothing" : found->value;
    if (is == was.value) {
      continue;
    }
    const std::string difference =
        fmt::format("'{}' was trained with {} = {}, this run has {}", checkpoint, was.key, was.value, is);
    if (!was.key.starts_with(machine_prefix)) {
      throw Error(ErrorKind::bad_input, difference + "; give the same, or another --checkpoint").as_collective();
    }
    if (world.is_root()) {
      log_warning(difference + ": the same training, but for its roundings and times");
    }
  }
}

class Observer final : public VqganObserver {
 public:
  Observer(RunRecord& record, VqganDisplay& display) : record_(record), display_(display) {}

  void on_step(const VqganStepRow& row) override {
    display_.step(row);
    add(row);
  }
  void on_evaluation(const VqganEvaluationRow& row) override {
    display_.evaluation(row);
    add(row);
    record_.commit();
  }
  void on_checkpoint() override { record_.commit(); }
  void on_standstill(const VqganStepRow& row) override { record_.add_last_words(row); }

 private:
  /// Steps after the checkpoint that a killed run had recorded are computed again, and not recorded twice.
  template <RecordRow Row>
  void add(const Row& row) {
    record_.write([&] {
      const Row* const held = record_.find(row);
      if (held == nullptr || !held->valid) {
        record_.append(row);
      }
    });
  }

  RunRecord& record_;
  VqganDisplay& display_;
};

std::string describe_cost(const VqganTrainingPlan& plan, std::int64_t ranks) {
  const VqganArchitecture architecture = describe_vqgan(plan.config);
  const VqganFlop flop = flop_of_frame(architecture);
  const MemoryByUse memory = plan_vqgan_training_memory(plan, ranks);
  const std::int64_t side = plan.config.codes_per_side();
  std::string text = fmt::format("parameters                 {}\nranks                      {}\n",
                                 parameter_count(architecture), ranks);
  text += fmt::format("codes of a frame           {} x {}, each one of {}\n", side, side, plan.config.codebook_size);
  text += fmt::format("frames per pass of a rank  {}\n", frames_per_pass(plan, ranks));
  for (std::size_t use = 0; use < memory_use_names.size(); ++use) {
    if (memory.bytes[use] > 0) {
      text += fmt::format("  {:<24} {:.2f} MiB\n", memory_use_names[use],
                          static_cast<double>(memory.bytes[use]) / mebibyte);
    }
  }
  text += fmt::format("  {:<24} {:.2f} MiB, and what kernels need while they work\n", "memory per rank",
                      static_cast<double>(memory.total()) / mebibyte);
  text +=
      fmt::format("FLOP to encode a frame     {:.6e}\nFLOP to decode a frame     {:.6e}\n", flop.encode, flop.decode);
  text += fmt::format("FLOP per step              {:.6e} ({:.6e} a rank)\n",
                      flop.training * static_cast<double>(plan.batch),
                      flop.training * static_cast<double>(plan.batch) / static_cast<double>(ranks));
  return text;
}

/// Flags, over what the file named by --config says.
bool parse_vqgan_options(const Job& job, VqganOptions& values) {
  {
    VqganOptions flags;
    Options first("train", description);
    declare(first, flags);
    if (!parse_options(job, first)) {
      return false;
    }
    on_every_rank(job.world, [&] { values = read_vqgan_options(flags.config); });
  }
  Options options("train", description);
  declare(options, values);
  return parse_options(job, options);
}

/// The values in force: flags as TOML, then the file as it was read.
std::string configuration_text(VqganOptions values) {
  const std::string path = values.config;
  Options options("train", description);
  declare(options, values);
  return fmt::format("{}\n# {}\n{}", options.to_toml(), path, read_file(path));
}

}  // namespace

int run_vqgan_train(const Job& job) {
  VqganOptions values;
  if (!parse_vqgan_options(job, values)) {
    return 0;
  }
  const Communicator world = job.world.with_transport(values.transport);
  const std::int64_t ranks = values.ranks > 0 ? values.ranks : world.size();
  VqganRun run;
  on_every_rank(world, [&] {
    require_input(values.ranks == 0 || values.dry_run || values.ranks == world.size(),
                  fmt::format("--ranks {}: the job has {} ranks; it is for --dry-run", values.ranks, world.size()));
    run.plan = make_plan(values);
    const std::int64_t needed = plan_vqgan_training_memory(run.plan, ranks).total();
    require_input(
        values.memory_per_rank == 0 || needed <= values.memory_per_rank,
        fmt::format("a rank needs {:.2f} MiB, and --memory-per-rank is {:.2f} MiB; use more ranks or a smaller "
                    "micro_batch",
                    static_cast<double>(needed) / mebibyte, static_cast<double>(values.memory_per_rank) / mebibyte));
  });
  if (values.dry_run) {
    if (world.is_root()) {
      fmt::print("{}", describe_cost(run.plan, ranks));
    }
    return 0;
  }
  const JobFiles files(job, {},
                       {{.flag = "--checkpoint", .path = values.checkpoint, .is_read_as_well = values.resume},
                        {.flag = "--output", .path = values.output}});
  static_cast<void>(warn_of_shared_cpus(job.world, values.threads));
  FrameSources sources;
  on_every_rank(world, [&] {
    static_cast<void>(device(device_of(run.plan.backend)));  // must be there
    sources = make_sources(values, run.plan);
  });
  const std::array<RankFact, 2> facts{
      RankFact{.name = "the frames of [data]", .digest = digest_of(sources.training->digest()), .description = {}},
      RankFact{.name = "the held-out frames", .digest = digest_of(sources.evaluation->digest()), .description = {}}};
  require_agreement(world, facts);
  const std::vector<TrainingSetting> settings = settings_of(run.plan, sources, world.size());
  run.training = sources.training.get();
  run.evaluation = sources.evaluation.get();
  run.settings = to_text(settings);
  run.digest = digest_of_settings(settings);
  run.checkpoint = {.path = values.checkpoint,
                    .every_steps = values.checkpoint_steps,
                    .every_seconds = values.checkpoint_seconds,
                    .keeps_stages = false};
  std::int64_t is_there = 0;
  on_root(world, [&] { is_there = std::filesystem::exists(values.checkpoint) ? 1 : 0; });
  run.is_resumed = values.resume && world.all_reduce(is_there, Reduction::max) == 1;
  if (run.is_resumed) {
    check_resumed(world, values.checkpoint, settings);
  }
  RunRecord record(job, {.output = values.output,
                         .is_resumed = run.is_resumed,
                         .configuration = configuration_text(values),
                         .seeds = {values.seed},
                         .seconds_between_commits = seconds_between_commits,
                         .checkpoint = values.checkpoint});
  VqganDisplay display(run.plan.steps, world.is_root());
  Observer observer(record, display);
  TrainingEnd end = TrainingEnd::finished;
  try {
    end = train_vqgan(world, run, observer);
  } catch (const Error& error) {
    if (error.is_collective()) {  // every step that was taken, and the row that says why no more were
      record.finish();
    }
    throw;
  }
  record.finish();
  on_root(world, [&] {
    constexpr std::array<std::string_view, 8> columns{
        "step", "frames", "psnr", "codes_used", "perplexity", "seconds", "frames_per_second", "training_seconds"};
    const std::vector<VqganEvaluationRow>& rows = record.rows<VqganEvaluationRow>();
    fmt::print("{}", console_table(std::span<const VqganEvaluationRow>(rows), columns));
    fmt::print("{} parameters -> {}, {}\n", parameter_count(describe_vqgan(run.plan.config)), values.checkpoint,
               values.output);
    std::fflush(stdout);
  });
  if (end == TrainingEnd::stopped) {
    return stopped_early(job,
                         fmt::format("the last step and all before it are in {} and {}; --resume goes on from there",
                                     values.checkpoint, values.output));
  }
  return 0;
}

}  // namespace ringworld
