/// @file  `ringworld train`: a model through the stages of a TOML file.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <set>
#include <utility>

#include "comm/transport.hpp"
#include "core/isa.hpp"
#include "core/log.hpp"
#include "device/device.hpp"
#include "experiments/common/content_digest.hpp"
#include "experiments/common/cpu_sharing.hpp"
#include "experiments/common/figures_of_merit.hpp"
#include "experiments/common/gemm_peak.hpp"
#include "experiments/common/job.hpp"
#include "experiments/common/job_files.hpp"
#include "experiments/common/named_corpus.hpp"
#include "experiments/common/run_record.hpp"
#include "experiments/train/config.hpp"
#include "experiments/train/dry_run.hpp"
#include "experiments/train/simulated_train.hpp"
#include "experiments/train/training_data.hpp"
#include "experiments/train/training_display.hpp"
#include "experiments/train/training_settings.hpp"
#include "experiments/train/vqgan/config.hpp"
#include "experiments/train/vqgan/train.hpp"
#include "io/console_table.hpp"
#include "perf/peak.hpp"
#include "tokens/read_tokenizer.hpp"
#include "train/stage_summary.hpp"
#include "train/trainer.hpp"

namespace ringworld {
namespace {

constexpr const char* description =
    "Trains a model through the stages of a TOML file: the context grows, parameters go on. Checkpoints are whole at "
    "any\n"
    "moment; --resume goes on from the last one, bit for bit. experiments/train/config holds examples.";

constexpr double peak_seconds = 0.25;
constexpr std::int64_t largest_gemm_extent = 8192;
constexpr double seconds_between_commits = 5;

/// Brings rows to the record; steps after the checkpoint that a killed run had recorded are computed again, to the same
/// values, and not recorded twice.
class Observer final : public TrainingObserver {
 public:
  Observer(RunRecord& record, TrainingDisplay& display) : record_(record), display_(display) {}

  void on_step(const TrainingStepRow& row, std::span<const TrainingTermRow> terms) override {
    display_.step(row, terms);
    add(row);
    std::ranges::for_each(terms, [&](const TrainingTermRow& term) { add(term); });
  }
  void on_stage(const TrainingStageRow& taken) override {
    TrainingStageRow row = taken;
    record_.write([&] { summarise_steps(record_.rows<TrainingStepRow>(), record_.rows<TrainingTermRow>(), row); });
    display_.stage(row);
    add(row);
    record_.commit();
  }
  void on_checkpoint() override { record_.commit(); }
  void on_standstill(const TrainingStepRow& row) override { record_.add_last_words(row); }

 private:
  template <RecordRow Row>
  void add(const Row& row) {
    record_.write([&] {
      const Row* const held = record_.find(row);
      if (held == nullptr || !held->valid) {  // a step that failed is taken again, and has a row of its own then
        record_.append(row);
      }
    });
  }

  RunRecord& record_;
  TrainingDisplay& display_;
};

/// Flags, over what the file named by --config says.
bool parse_train_options(const Job& job, TrainOptions& values) {
  {
    TrainOptions flags;
    Options first("train", description);
    declare(first, flags);
    if (!parse_options(job, first)) {
      return false;
    }
    if (!flags.config.empty()) {
      on_every_rank(job.world, [&] { values = read_train_config(flags.config); });
    }
  }
  Options options("train", description);
  declare(options, values);
  return parse_options(job, options);
}

/// The values in force: flags as TOML, then the files as they were read.
std::string configuration_text(TrainOptions values) {
  Options options("train", description);
  declare(options, values);
  std::string text = options.to_toml();
  for (const std::string& path : values.files) {
    text += "\n# " + path + "\n" + read_file(path);
  }
  return text;
}

std::vector<JobFile> files_read(const TrainOptions& values) {
  std::vector<JobFile> files = job_files("--config", values.files);
  for (const JobFile& hay : job_files("haystack", haystack_files(values.data.haystack))) {
    files.push_back(hay);
  }
  for (const JobFile& of_weights : job_files("--weights", files_of_weights(values.weights))) {
    files.push_back(of_weights);
  }
  files.push_back({.flag = "tokenizer", .path = file_of_tokenizer(values.data.tokenizer)});
  files.push_back({.flag = "frame_tokenizer", .path = values.data.frame_tokenizer});
  for (const StageOptions& stage : values.stages) {
    for (const JobFile& of_task : job_files("examples", stage.stage.task->files())) {
      files.push_back(of_task);
    }
  }
  return files;
}

std::vector<JobFile> files_written(const TrainOptions& values) {
  if (values.dry_run) {
    return {};
  }
  std::vector<JobFile> files{{.flag = "--checkpoint", .path = values.checkpoint, .is_read_as_well = values.resume},
                             {.flag = "--output", .path = values.output}};
  for (std::size_t stage = 0; values.keep_stages && stage < values.stages.size(); ++stage) {
    files.push_back({.flag = "keep_stages",
                     .path = stage_checkpoint_path(values.checkpoint, static_cast<std::int64_t>(stage)).string()});
  }
  return files;
}

/// Makes the model that of the weights to start from, and the tokenizer theirs if that is asked for. Collective.
void take_weights(const Communicator& world, TrainOptions& values) {
  on_every_rank(world, [&] {
    require_input(values.data.tokenizer != "weights" || values.dry_run || !values.weights.empty(),
                  "[data]: tokenizer is weights; give --weights, whose tokenizer it is");
    require_input(values.preset.empty() || values.weights.empty(),
                  "--preset and --weights: give one of them, for weights are those of a model");
  });
  if (values.weights.empty()) {
    return;
  }
  const auto source = open_tensor_source(world, values.weights);
  if (values.has_model) {
    require_same_model(*source, values.model);
  }
  values.model = read_model_config(*source);
  values.has_vocab_size = true;
  if (values.data.tokenizer == "weights") {
    const bool is_foreign = !source->attribute("tokenizer").has_value();
    const std::string own = is_foreign ? std::string() : source->get<std::string>("tokenizer");
    on_every_rank(world, [&] {
      values.data.tokenizer_of_weights = is_foreign ? read_tokenizer_of_weights(values.weights)->to_text() : own;
    });
  }
}

/// What all ranks reach together: of CPUs the FMA peak, one thread's times the threads; of a device with memory of its
/// own its matrix product, of which ranks that share one device each have their part.
double measure_peak(const Communicator& world, const TrainingPlan& plan) {
  double mine = 0;
  on_every_rank(world, [&] {
    world.barrier();
    mine = has_own_memory(device_of(plan.backend))
               ? measure_growing_gemm_peak(plan.backend, plan.dtype, largest_gemm_extent, peak_seconds)
               : measure_fma_peak(selected_isa(), plan.dtype, peak_seconds) * static_cast<double>(plan.threads);
  });
  return world.all_reduce(mine, Reduction::sum);
}

std::vector<FigureOfMerit> figures_of(const std::vector<TrainingStageRow>& stages) {
  std::vector<FigureOfMerit> figures;
  for (const TrainingStageRow& row : stages) {
    FigureOfMerit figure{.name = "train_rate",
                         .value = row.tokens_per_second,
                         .unit = "token/s",
                         .keys = {{"stages", std::string(row.stages.view())},
                                  {"stage", fmt::format("{}", row.stage)},
                                  {"context_length", fmt::format("{}", row.context_length)},
                                  {"ranks", fmt::format("{}", row.ranks)},
                                  {"mesh", std::string(row.mesh.view())},
                                  {"backend", std::string(row.backend.view())},
                                  {"dtype", std::string(row.dtype.view())},
                                  {"steps", fmt::format("{}", row.steps)}},
                         .is_valid = row.valid};
    figures.push_back(figure);
    figure.name = "train_loss";
    figure.value = row.final_loss;
    figure.unit = "nat";
    figures.push_back(std::move(figure));
  }
  return figures;
}

/// Holds the training against the one that wrote the checkpoint; the root says what may differ and does. Collective.
void check_resumed(const Communicator& world, const TrainOptions& values, const TrainingPlan& plan,
                   const std::vector<TrainingSetting>& settings) {
  const auto source = open_tensor_source(world, values.checkpoint);
  require_same_model(*source, plan.model);
  const std::string before = read_description(*source).settings;
  const TrainingProgress progress = read_progress(*source);
  ResumedTraining resumed;
  on_every_rank(world, [&] {
    require_input(progress.stage < std::ssize(plan.stages),
                  fmt::format("'{}' stands in stage {}, this plan has {}", values.checkpoint, progress.stage,
                              plan.stages.size()));
    resumed = require_same_training(values.checkpoint, parse_settings(before), settings, progress, plan);
  });
  if (world.is_root()) {
    std::ranges::for_each(resumed.notices, [](const std::string& notice) { log_warning(notice); });
  }
}

}  // namespace

int run_train(const Job& job) {
  std::int64_t is_vqgan = 0;
  on_root(job.world, [&] {
    const std::optional<std::string> config = config_path_of(job.arguments);
    is_vqgan = config.has_value() && is_vqgan_training(*config) ? 1 : 0;
  });
  if (job.world.all_reduce(is_vqgan, Reduction::max) == 1) {
    return run_vqgan_train(job);
  }
  TrainOptions values;
  if (!parse_train_options(job, values)) {
    return 0;
  }
  if (!values.dry_run && !traits_of(values.backend).computes) {
    return run_simulated_train(job, values, configuration_text(values));
  }
  const JobFiles files(job, files_read(values), files_written(values));
  static_cast<void>(warn_of_shared_cpus(job.world, values.dry_run ? 0 : values.threads));
  TrainingRun run;
  std::optional<TrainingData> data;
  const Communicator world = job.world.with_transport(values.transport);
  take_weights(world, values);
  run.weights = values.weights;
  on_every_rank(world, [&] {
    require_input(values.ranks == 0 || values.dry_run || values.ranks == world.size(),
                  fmt::format("--ranks {}: the job has {} ranks; it is for --dry-run", values.ranks, world.size()));
    run.plan = make_plan(values, values.ranks > 0 ? values.ranks : world.size());
    if (!values.dry_run) {
      data.emplace(values.data, values.seed, run.plan.stages,
                   FrameCompute{.backend = run.plan.backend, .threads = static_cast<int>(run.plan.threads)});
      const std::int64_t tokens = data->tokenizer().vocab_size();
      ModelConfig& model = run.plan.model;
      if (!values.has_vocab_size) {
        model.vocabulary = data->vocabulary();
      }
      const std::int64_t text = model.vocabulary.parts().front().size;
      require_input(text >= tokens, fmt::format("model: vocab_size {} is less than the tokenizer's {}", text, tokens));
      run.tokenizer = data->tokenizer().to_text();
      if (data->frames() != nullptr && !values.data.frame_tokenizer.empty()) {
        run.frame_tokenizer = std::filesystem::absolute(values.data.frame_tokenizer).string();
        run.frame_tokenizer_digest = data->frames()->digest;
      }
    }
    validate(run.plan);
    require_fits(run.plan, values.memory_per_rank);
    if (!values.dry_run) {
      static_cast<void>(device(device_of(run.plan.backend)));  // must be there
    }
  });
  if (values.dry_run) {
    if (world.is_root()) {
      fmt::print("{}", describe_cost(run.plan, values.ranks > 0 ? values.ranks : world.size()));
      if (!values.has_vocab_size) {
        fmt::print("\nThe vocabulary is the preset's {}; a run without vocab_size takes the tokenizer's.\n",
                   run.plan.model.vocabulary.size());
      }
    }
    return 0;
  }
  if (world.is_root() && !data->warning().empty()) {
    log_warning(data->warning());
  }
  on_every_rank(world, [&] {  // every stage's data must be possible before the first stage runs
    for (std::size_t index = 0; index < run.plan.stages.size(); ++index) {
      static_cast<void>(
          data->make_source(run.plan.stages[index], static_cast<std::int64_t>(index), run.plan.model.vocabulary));
    }
  });
  run.checkpoint = {.path = values.checkpoint,
                    .every_steps = values.checkpoint_steps,
                    .every_seconds = values.checkpoint_seconds,
                    .keeps_stages = values.keep_stages};
  std::int64_t is_there = 0;
  on_root(world, [&] { is_there = std::filesystem::exists(values.checkpoint) ? 1 : 0; });
  run.is_resumed = values.resume && world.all_reduce(is_there, Reduction::max) == 1;
  const std::vector<TrainingSetting> settings = settings_of(values, run.plan, *data);
  run.settings = to_text(settings);
  for (std::int64_t stage = 0; stage < std::ssize(run.plan.stages); ++stage) {
    run.stage_digests.push_back(digest_of_stage(settings, stage));
  }
  if (run.is_resumed) {
    check_resumed(world, values, run.plan, settings);
  }
  run.make_source = [&](const Stage& stage, std::int64_t index) {
    return data->make_source(stage, index, run.plan.model.vocabulary);
  };

  RunRecord record(job, {.output = values.output,
                         .is_resumed = run.is_resumed,
                         .configuration = configuration_text(values),
                         .seeds = {values.seed},
                         .seconds_between_commits = seconds_between_commits,
                         .checkpoint = values.checkpoint});
  run.peak_flops_per_second = measure_peak(world, run.plan);

  TrainingDisplay display(run.plan.stages, world.is_root());
  Observer observer(record, display);
  TrainingEnd end = TrainingEnd::finished;
  try {
    end = train(world, run, observer);
  } catch (const Error& error) {
    if (error.is_collective()) {  // every step that was taken, and the row that says why no more were
      record.finish();
    }
    throw;
  }
  record.finish();
  on_root(world, [&] {
    constexpr std::array<std::string_view, 10> columns{
        "stage",   "context_length",    "rope_theta", "steps",          "tokens",
        "seconds", "tokens_per_second", "final_loss", "final_accuracy", "reshard_seconds"};
    const std::vector<TrainingStageRow>& stages = record.rows<TrainingStageRow>();
    fmt::print("{}", console_table(std::span<const TrainingStageRow>(stages), columns));
    fmt::print("{} stages -> {}, {}\n", stages.size(), values.checkpoint, values.output);
    print_figures(figures_of(stages));
  });
  if (end == TrainingEnd::stopped) {
    return stopped_early(job,
                         fmt::format("the last step and all before it are in {} and {}; --resume goes on from there",
                                     values.checkpoint, values.output));
  }
  return 0;
}

}  // namespace ringworld
