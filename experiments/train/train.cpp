/// @file  `ringworld train`: a model through the stages of a TOML file.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <set>
#include <utility>

#include "comm/environment.hpp"
#include "comm/transport.hpp"
#include "core/isa.hpp"
#include "core/log.hpp"
#include "device/device.hpp"
#include "experiments/common/gemm_peak.hpp"
#include "experiments/common/job.hpp"
#include "experiments/train/config.hpp"
#include "experiments/train/dry_run.hpp"
#include "experiments/train/training_data.hpp"
#include "experiments/train/training_display.hpp"
#include "io/console_table.hpp"
#include "io/provenance.hpp"
#include "io/record_file.hpp"
#include "perf/clock.hpp"
#include "perf/peak.hpp"
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

/// The record, on the root.
class TrainingRecord {
 public:
  TrainingRecord(const TrainOptions& values, bool is_resumed, const RunDescription& run)
      : record_(is_resumed && std::filesystem::exists(values.output) ? RecordFile::resume(values.output)
                                                                     : RecordFile::create(values.output)),
        run_(count_runs(record_)),
        group_(begin_provenance(record_, run)) {
    if (record_.backup().has_value()) {
      log_info(fmt::format("{} existed and is now {}", values.output, record_.backup()->string()));
    }
    for (const TrainingStepRow& row : record_.read<TrainingStepRow>()) {
      steps_.emplace(row.stage, row.step);
    }
    for (const TrainingStageRow& row : record_.read<TrainingStageRow>()) {
      stages_.insert(row.stage);
    }
    commit();
  }

  /// Steps after the checkpoint that the killed run had recorded are computed again, to the same values.
  void add(TrainingStepRow row) {
    if (steps_.emplace(row.stage, row.step).second) {
      row.run = run_;
      record_.append(row);
    }
    if (now_seconds() - last_commit_ > seconds_between_commits) {
      commit();
    }
  }
  void add(TrainingStageRow row) {
    if (stages_.insert(row.stage).second) {
      row.run = run_;
      record_.append(row);
    }
    commit();
  }
  void commit() {
    record_.commit();
    last_commit_ = now_seconds();
  }
  void finish() {
    end_provenance(record_, group_);
    commit();
  }
  [[nodiscard]] std::vector<TrainingStageRow> stages() const { return record_.read<TrainingStageRow>(); }

 private:
  static std::int64_t count_runs(const RecordFile& record) {
    std::int64_t runs = 0;
    for (const RankRow& row : record.read<RankRow>()) {
      runs = std::max(runs, row.run + 1);
    }
    return runs;
  }

  RecordFile record_;
  std::int64_t run_;
  std::string group_;
  std::set<std::pair<std::int64_t, std::int64_t>> steps_;
  std::set<std::int64_t> stages_;
  double last_commit_ = 0;
};

class Observer final : public TrainingObserver {
 public:
  Observer(std::optional<TrainingRecord>& record, TrainingDisplay& display) : record_(record), display_(display) {}

  void on_step(const TrainingStepRow& row) override {
    display_.step(row);
    if (record_) {
      record_->add(row);
    }
  }
  void on_stage(const TrainingStageRow& row) override {
    display_.stage(row);
    if (record_) {
      record_->add(row);
    }
  }
  void on_checkpoint() override {
    if (record_) {
      record_->commit();
    }
  }

 private:
  std::optional<TrainingRecord>& record_;
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

std::string read_text_file(const std::string& path) {
  std::string text;
  if (std::FILE* const file = std::fopen(path.c_str(), "rb")) {
    std::array<char, 4096> block{};
    for (std::size_t count = 0; (count = std::fread(block.data(), 1, block.size(), file)) > 0;) {
      text.append(block.data(), count);
    }
    std::fclose(file);
  }
  return text;
}

/// The values in force: flags as TOML, then the files as they were read.
std::string configuration_text(TrainOptions values) {
  Options options("train", description);
  declare(options, values);
  std::string text = options.to_toml();
  for (const std::string& path : values.files) {
    text += "\n# " + path + "\n" + read_text_file(path);
  }
  return text;
}

/// What all ranks reach together: of CPUs the FMA peak, one thread's times the threads; of a GPU its matrix product, of
/// which ranks that share one each have their part.
double measure_peak(const Communicator& world, const TrainingPlan& plan) {
  double mine = 0;
  on_every_rank(world, [&] {
    world.barrier();
    mine = device_of(plan.backend) == DeviceKind::host
               ? measure_fma_peak(selected_isa(), plan.dtype, peak_seconds) * static_cast<double>(plan.threads)
               : measure_growing_gemm_peak(plan.backend, plan.dtype, largest_gemm_extent, peak_seconds);
  });
  return world.all_reduce(mine, Reduction::sum);
}

}  // namespace

int run_train(const Job& job) {
  TrainOptions values;
  if (!parse_train_options(job, values)) {
    return 0;
  }
  TrainingRun run;
  std::optional<TrainingData> data;
  RankRow mine;
  Transport transport = Transport::automatic;
  on_every_rank(job.world, [&] { transport = parse_transport(values.transport); });
  const Communicator world = job.world.with_transport(transport);
  on_every_rank(world, [&] {
    require_input(values.ranks == 0 || values.dry_run || values.ranks == world.size(),
                  fmt::format("--ranks {}: the job has {} ranks; it is for --dry-run", values.ranks, world.size()));
    run.plan = make_plan(values, values.ranks > 0 ? values.ranks : world.size());
    if (!values.dry_run) {
      data.emplace(values.data, values.seed);
      const std::int64_t tokens = data->tokenizer().vocab_size();
      if (!values.has_vocab_size) {
        run.plan.model.vocab_size = tokens;
      }
      require_input(
          run.plan.model.vocab_size >= tokens,
          fmt::format("model: vocab_size {} is less than the tokenizer's {}", run.plan.model.vocab_size, tokens));
      run.tokenizer = data->tokenizer().to_text();
    }
    validate(run.plan);
    require_fits(run.plan, values.memory_per_rank);
    if (!values.dry_run) {
      static_cast<void>(device(device_of(run.plan.backend)));  // must be there
    }
    mine = describe_this_process(world.rank());
  });
  if (values.dry_run) {
    if (world.is_root()) {
      fmt::print("{}", describe_cost(run.plan, values.ranks > 0 ? values.ranks : world.size()));
    }
    return 0;
  }
  on_every_rank(world, [&] {  // every stage's data must be possible before the first stage runs
    for (std::size_t index = 0; index < run.plan.stages.size(); ++index) {
      static_cast<void>(data->make_source(run.plan.stages[index], static_cast<std::int64_t>(index)));
    }
  });
  run.checkpoint = {.path = values.checkpoint,
                    .every_steps = values.checkpoint_steps,
                    .every_seconds = values.checkpoint_seconds,
                    .keeps_stages = values.keep_stages};
  std::int64_t is_there = 0;
  on_root(world, [&] { is_there = std::filesystem::exists(values.checkpoint) ? 1 : 0; });
  run.is_resumed = values.resume && world.all_reduce(is_there, Reduction::max) == 1;
  run.make_source = [&](const Stage& stage, std::int64_t index) { return data->make_source(stage, index); };

  const RunDescription described{.arguments = job.command_line,
                                 .configuration = configuration_text(values),
                                 .seeds = {values.seed},
                                 .ranks = world.all_gather(mine),
                                 .extra = {{"mpi_library", Environment::library_version()}}};
  std::optional<TrainingRecord> record;
  on_root(world, [&] { record.emplace(values, run.is_resumed, described); });
  run.peak_flops_per_second = measure_peak(world, run.plan);

  TrainingDisplay display(run.plan.stages, world.is_root());
  Observer observer(record, display);
  train(world, run, observer);
  on_root(world, [&] {
    record->finish();
    constexpr std::array<std::string_view, 10> columns{
        "stage",      "context_length",        "rope_theta",     "steps", "tokens", "seconds", "tokens_per_second",
        "final_loss", "final_answer_accuracy", "reshard_seconds"};
    const auto stages = record->stages();
    fmt::print("{}", console_table(std::span<const TrainingStageRow>(stages), columns));
    fmt::print("{} stages -> {}, {}\n", stages.size(), values.checkpoint, values.output);
    std::fflush(stdout);
  });
  return 0;
}

}  // namespace ringworld
