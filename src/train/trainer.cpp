#include "train/trainer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "comm/device_choice.hpp"
#include "comm/stop_agreement.hpp"
#include "core/activity.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/last_words.hpp"
#include "device/buffer.hpp"
#include "io/outcome.hpp"
#include "io/pending_file.hpp"
#include "model/flop.hpp"
#include "tasks/tasks.hpp"
#include "train/memory_plan.hpp"
#include "train/rank_batch.hpp"

namespace ringworld {
namespace {

constexpr double accuracy_memory = 0.9;  // of the moving average that ends a stage
constexpr double no_value = std::numeric_limits<double>::quiet_NaN();

double mean_or_nan(double sum, double count) { return count > 0 ? sum / count : no_value; }

/// Parameters and moments on one mesh.
struct ShardedState {
  ShardedParameters parameters;
  AdamWShards optimizer;

  ShardedState(const TrainingPlan& plan, const Mesh& mesh)
      : parameters(plan.model, mesh, plan.backend),
        optimizer(parameters, plan.optimizer, plan.backend, static_cast<int>(plan.threads)) {}
};

class Trainer {
 public:
  Trainer(Communicator world, const TrainingRun& run, TrainingObserver& observer)
      : world_(std::move(world)), run_(run), plan_(run.plan), observer_(observer) {}

  TrainingEnd run() {
    if (run_.is_resumed) {
      start_from_checkpoint();
    }
    const auto stages = static_cast<std::int64_t>(plan_.stages.size());
    for (; progress_.stage < stages; begin_next_stage()) {
      const Phase phase("training stage {}", progress_.stage);
      run_stage();
      const bool is_last = progress_.is_stage_done && progress_.stage + 1 == stages;
      if (is_stopping_ && !is_last) {
        return TrainingEnd::stopped;
      }
    }
    return TrainingEnd::finished;
  }

 private:
  [[nodiscard]] const Stage& stage() const { return plan_.stages[static_cast<std::size_t>(progress_.stage)]; }

  void start_from_checkpoint() {
    const auto source = open_tensor_source(world_, run_.checkpoint.path);
    require_same_model(*source, plan_.model);
    const CheckpointDescription found = read_description(*source);
    progress_ = read_progress(*source);
    const auto refuse_unless = [&](bool condition, const std::string& why) {
      if (!condition) {
        throw Error(ErrorKind::bad_input, fmt::format("'{}' {}", run_.checkpoint.path.string(), why)).as_collective();
      }
    };
    refuse_unless(found.seed == plan_.seed,
                  fmt::format("was trained with seed {}, this run has {}", found.seed, plan_.seed));
    refuse_unless(found.tokenizer == run_.tokenizer, "was trained with another tokenizer");
    refuse_unless(progress_.stage < static_cast<std::int64_t>(plan_.stages.size()),
                  fmt::format("stands in stage {}, this plan has {}", progress_.stage, plan_.stages.size()));
    refuse_unless(found.context_length == stage().context_length,
                  fmt::format("stands in a stage {} of context_length {}, this plan's has {}", progress_.stage,
                              found.context_length, stage().context_length));
    must_load_ = true;
    if (progress_.is_stage_done && is_stage_finished()) {
      refuse_unless(!has_missed_gate(),
                    fmt::format("ends stage {} with an accuracy of {:.3f} that must pass {}; "
                                "give the stage more steps, or start again",
                                progress_.stage, progress_.accuracy_average, stage().stop_when_accuracy));
      begin_next_stage();
    }
    progress_.is_stage_done = false;  // a finished stage that was given more steps goes on
  }

  void begin_next_stage() {
    progress_ = {.stage = progress_.stage + 1, .updates = progress_.updates, .elapsed = progress_.elapsed};
  }

  /// Brings parameters and moments to the stage's mesh.
  void prepare_state() {
    const double start = now_seconds();
    const bool is_on_mesh = state_ && state_->parameters.mesh().shape().sizes == stage().mesh.sizes;
    const bool is_first = !state_ && !must_load_;
    if (!is_on_mesh) {
      state_.reset();
      mesh_.emplace(world_, stage().mesh);
      on_every_rank(world_, [&] { state_ = std::make_unique<ShardedState>(plan_, *mesh_); });
    }
    const bool keeps_moments = progress_.step > 0 || stage().carries_optimizer;
    if (is_first && !run_.weights.empty()) {
      read_parameters(*open_tensor_source(world_, run_.weights), state_->parameters);
    } else if (is_first) {
      state_->parameters.initialize(plan_.initialization, static_cast<std::uint64_t>(plan_.seed));
    } else if (!is_on_mesh) {
      const auto source = open_tensor_source(world_, run_.checkpoint.path);
      read_parameters(*source, state_->parameters);
      if (keeps_moments) {
        read_moments(*source, state_->parameters, state_->optimizer);
      }
    } else if (!keeps_moments) {
      state_->optimizer.forget();
    }
    must_load_ = false;
    if (!is_first && !is_on_mesh && progress_.step == 0) {
      progress_.reshard_seconds = world_.all_reduce(now_seconds() - start, Reduction::max);
    }
  }

  void run_stage() {
    reset_high_water(device_of(plan_.backend));
    prepare_state();
    std::unique_ptr<BatchSource> source;
    std::optional<Model> model;
    on_every_rank(world_, [&] {
      source = run_.make_source(stage(), progress_.stage);
      model.emplace(state_->parameters, plan_.model_options(stage()));
    });
    model->set_rope_theta(stage().rope_theta);
    RankBatch batch(*source, *model, plan_.model.vocabulary, stage(), state_->parameters.mesh());
    terms_ = source->terms();
    state_->parameters.profile().start();
    last_checkpoint_ = now_seconds();
    while (!is_stage_finished()) {
      const auto [row, terms] = run_step(*model, batch);
      observer_.on_step(row, terms);
      if (!row.valid) {
        throw Error(ErrorKind::check_failed,
                    fmt::format("stage {}, step {}: {}", row.stage, row.step, row.reason.view()))
            .as_collective();
      }
      if (!is_stage_finished() && (is_stopping_ || is_checkpoint_due())) {
        write_checkpoint();
      }
      if (!is_stage_finished() && is_stopping_) {
        return;
      }
    }
    progress_.is_stage_done = true;
    const std::int64_t peak = world_.all_reduce(memory_account(device_of(plan_.backend)).high_water, Reduction::max);
    TrainingStageRow row = describe_stage(*model, peak);
    const bool has_missed = has_missed_gate();
    conclude(row, Outcome::ok);
    if (has_missed) {
      conclude(row, Outcome::failed_check,
               fmt::format("the accuracy is {:.3f} after {} steps and must pass {}; try another seed",
                           progress_.accuracy_average, progress_.step, stage().stop_when_accuracy));
    }
    // The row comes first: a kill before the checkpoint repeats steps, to the same values; a kill after a checkpoint
    // that says "done" would cost the row for ever.
    observer_.on_stage(row);
    write_checkpoint();
    if (run_.checkpoint.keeps_stages) {
      on_root(world_, [&] {
        replace_with_copy(run_.checkpoint.path, stage_checkpoint_path(run_.checkpoint.path, progress_.stage));
      });
    }
    if (has_missed) {
      throw Error(ErrorKind::check_failed, fmt::format("stage {}: {}", progress_.stage, row.reason.view()))
          .as_collective();
    }
  }

  [[nodiscard]] bool has_reached_accuracy() const {
    return stage().stop_when_accuracy > 0 && progress_.accuracy_average > stage().stop_when_accuracy;
  }
  [[nodiscard]] bool has_missed_gate() const { return stage().stop_when_accuracy > 0 && !has_reached_accuracy(); }
  [[nodiscard]] bool is_stage_finished() const { return progress_.step >= stage().steps || has_reached_accuracy(); }

  [[nodiscard]] bool is_checkpoint_due() const {
    const CheckpointPolicy& policy = run_.checkpoint;
    if (policy.every_steps > 0 && progress_.step % policy.every_steps == 0) {
      return true;
    }
    if (policy.every_seconds <= 0) {
      return false;
    }
    const double since = now_seconds() - last_checkpoint_;
    return world_.all_reduce(since, Reduction::max) >= policy.every_seconds;
  }

  struct TakenStep {
    TrainingStepRow row;
    std::vector<TrainingTermRow> terms;
  };

  TakenStep run_step(Model& model, RankBatch& batch) {
    const Phase phase("step {}", progress_.step);
    const LastWords words([this](const std::string& reason) {
      TrainingStepRow cut = describe_step();
      conclude(cut, Outcome::interrupted, reason);
      observer_.on_standstill(cut);
    });
    world_.barrier();
    const double start = now_seconds();
    state_->parameters.clear_gradients();
    double loss = 0;
    TargetSums sums;
    for (std::int64_t pass = 0; pass < stage().sequences_per_rank() / stage().sequences_per_pass(); ++pass) {
      batch.draw(progress_.step, pass);
      loss += model.forward_backward(batch.batch(), batch.scores());
      sums.add(batch.sums());
    }
    const double norm = reduce_gradients();
    LearningRateSchedule schedule = stage().learning_rate;
    schedule.steps = stage().steps;
    const double rate = learning_rate(schedule, progress_.step);
    const bool is_finite = std::isfinite(loss) && std::isfinite(norm);
    if (is_finite) {
      state_->optimizer.step(rate, norm);
    }
    // Waits for the step's end on a device: only then has its time passed.
    WorkSeconds work = state_->parameters.profile().collect();
    sums.add_ranks(mesh_->across({MeshAxis::dp, MeshAxis::fsdp, MeshAxis::sp}));
    // The longest time, and whether some rank was told to stop or has numbers that are none: one reduction for all.
    std::array<double, 3> agreed{now_seconds() - start, stop_vote(), is_finite ? 0.0 : 1.0};
    world_.all_reduce(std::span<double>(agreed), Reduction::max);
    const double seconds = agreed[0];
    is_stopping_ = agreed[1] > 0;
    const bool is_finite_everywhere = agreed[2] == 0;
    world_.all_reduce(std::span<double>(work.seconds), Reduction::sum);
    std::ranges::for_each(work.seconds, [&](double& sum) { sum /= world_.size(); });

    TrainingStepRow row = describe_step();
    row.loss = loss;
    row.grad_norm = norm;
    row.learning_rate = rate;
    row.step_time = seconds;
    row.tokens = stage().tokens_per_step();
    const auto tokens = static_cast<double>(row.tokens);
    const auto vocabulary = static_cast<double>(plan_.model.vocabulary.size());
    row.tokens_per_second = tokens / seconds;
    row.flop_causal = tokens * training_flop_per_token(plan_.model, stage().context_length, true,
                                                       sums.logits / (tokens * vocabulary));
    row.mfu_measured_peak = utilisation(row.flop_causal, seconds);
    row.attention_time = work[Work::attention];
    row.product_time = work[Work::product];
    row.elementwise_time = work[Work::elementwise];
    row.communication_time = work[Work::communication];
    row.idle_time = seconds - work.total();
    if (is_finite_everywhere) {
      conclude(row, Outcome::ok);
    } else {
      conclude(row, Outcome::not_finite,
               is_finite ? std::string("loss or gradient norm of another rank is not finite")
                         : fmt::format("diverged: loss {} and gradient norm {}, which must be finite", loss, norm));
    }

    ++progress_.step;
    progress_.updates = state_->optimizer.updates();
    progress_.elapsed += seconds;
    progress_.stage_seconds += seconds;
    progress_.flop_causal += row.flop_causal;
    if (const TermSums& first = sums.terms.front(); first.tokens > 0) {
      progress_.accuracy_average =
          accuracy_memory * progress_.accuracy_average + (1 - accuracy_memory) * (first.hits / first.tokens);
    }
    row.elapsed = progress_.elapsed;
    return {.row = row, .terms = describe_terms(row, sums)};
  }

  [[nodiscard]] std::vector<TrainingTermRow> describe_terms(const TrainingStepRow& step, const TargetSums& sums) const {
    std::vector<TrainingTermRow> rows;
    for (std::size_t index = 0; index < terms_.size(); ++index) {
      const TermSums& of_term = sums.terms[index];
      TrainingTermRow& row = rows.emplace_back();
      row.stages = step.stages;
      row.stage = step.stage;
      row.step = step.step;
      row.term = std::string_view(terms_[index].name);
      row.loss = mean_or_nan(of_term.nll, of_term.tokens);
      row.accuracy = mean_or_nan(of_term.hits, of_term.tokens);
      row.tokens = static_cast<std::int64_t>(of_term.tokens);
      row.weight = terms_[index].weight;
      row.ranks = step.ranks;
      row.seed = step.seed;
      row.training_digest = step.training_digest;
      row.valid = step.valid;
      row.outcome = step.outcome;
    }
    return rows;
  }

  /// The columns of a step's row that are known before the step runs. Not valid yet.
  [[nodiscard]] TrainingStepRow describe_step() const {
    TrainingStepRow row;
    row.stages = std::string_view(plan_.stages_name);
    row.stage = progress_.stage;
    row.step = progress_.step;
    row.context_length = stage().context_length;
    row.rope_theta = stage().rope_theta;
    row.ranks = world_.size();
    row.seed = plan_.seed;
    row.training_digest = stage_digest();
    row.valid = false;
    return row;
  }

  /// @return the norm of the gradients of all ranks
  double reduce_gradients() {
    const Phase phase("gradient reduce");
    state_->parameters.finish_gradients();
    return state_->optimizer.gradient_norm();
  }

  void write_checkpoint() {
    const Phase phase("checkpoint");
    observer_.on_checkpoint();
    const CheckpointDescription description{
        .seed = plan_.seed,
        .context_length = stage().context_length,
        .rope_theta = stage().rope_theta,
        .stages = plan_.stages_name,
        .stage = progress_.stage,
        .task = stage().task == nullptr ? std::string() : describe_task(*stage().task),
        .tokenizer = run_.tokenizer,
        .frame_tokenizer = run_.frame_tokenizer,
        .frame_tokenizer_digest = run_.frame_tokenizer_digest,
        .settings = run_.settings};
    const double seconds = write_model_checkpoint(world_, run_.checkpoint.path, state_->parameters, state_->optimizer,
                                                  description, progress_);
    progress_.checkpoint_seconds += world_.all_reduce(seconds, Reduction::max);
    last_checkpoint_ = now_seconds();
  }

  [[nodiscard]] std::string_view stage_digest() const {
    const auto index = static_cast<std::size_t>(progress_.stage);
    return index < run_.stage_digests.size() ? std::string_view(run_.stage_digests[index]) : std::string_view();
  }

  [[nodiscard]] double utilisation(double flop, double seconds) const {
    return run_.peak_flops_per_second > 0 && seconds > 0 ? flop / seconds / run_.peak_flops_per_second : 0.0;
  }

  [[nodiscard]] TrainingStageRow describe_stage(const Model& model, std::int64_t peak_bytes) const {
    TrainingStageRow row;
    row.stages = std::string_view(plan_.stages_name);
    row.stage = progress_.stage;
    row.context_length = stage().context_length;
    row.tokens_per_rank = model.partition().tokens_per_rank();
    row.rope_theta = stage().rope_theta;
    row.steps = progress_.step;
    row.batch = stage().batch;
    row.tokens = progress_.step * stage().tokens_per_step();
    row.mesh = std::string_view(stage().mesh.to_string());
    row.ranks = world_.size();
    row.set_schedule(plan_.schedule);
    row.layout = name_of(plan_.layout);
    row.backend = name_of(plan_.backend);
    row.transport = transport_name(world_, device_of(plan_.backend));
    row.dtype = name_of(plan_.dtype);
    row.wire_dtype = name_of(plan_.wire_dtype);
    row.threads = plan_.threads;
    row.recompute = name_of(plan_.recomputation);
    row.learning_rate = stage().learning_rate.peak;
    row.seconds = progress_.stage_seconds;
    row.reshard_seconds = progress_.reshard_seconds;
    row.checkpoint_seconds = progress_.checkpoint_seconds;
    const auto tokens = static_cast<double>(row.tokens);
    row.tokens_per_second = row.seconds > 0 ? tokens / row.seconds : 0.0;
    row.flop_causal = progress_.flop_causal;
    // The same share of tokens has logits under either convention: only attention differs.
    row.flop_full = progress_.flop_causal + tokens * (training_flop_per_token(plan_.model, row.context_length, false) -
                                                      training_flop_per_token(plan_.model, row.context_length, true));
    row.mfu_measured_peak = utilisation(row.flop_causal, row.seconds);
    row.parameters = parameter_count(plan_.model);
    row.first_term = std::string_view(terms_.front().name);
    row.peak_bytes = peak_bytes;
    row.peak_bytes_model = world_.all_reduce(plan_memory(plan_, stage(), world_.rank()).total(), Reduction::max);
    row.seed = plan_.seed;
    row.training_digest = stage_digest();
    return row;
  }

  Communicator world_;
  const TrainingRun& run_;
  const TrainingPlan& plan_;
  TrainingObserver& observer_;
  TrainingProgress progress_;
  bool is_stopping_ = false;     // some rank was told to
  bool must_load_ = false;       // the state lies in the checkpoint, not in memory
  std::vector<LossTerm> terms_;  // of the stage's loss
  std::optional<Mesh> mesh_;
  std::unique_ptr<ShardedState> state_;
  double last_checkpoint_ = 0;
};

}  // namespace

std::filesystem::path stage_checkpoint_path(const std::filesystem::path& path, std::int64_t stage) {
  std::filesystem::path kept = path;
  kept.replace_filename(fmt::format("{}-stage-{}{}", path.stem().string(), stage, path.extension().string()));
  return kept;
}

TrainingEnd train(const Communicator& world, const TrainingRun& run, TrainingObserver& observer) {
  on_every_rank(world, [&] { validate(run.plan); });
  return Trainer(world, run, observer).run();
}

}  // namespace ringworld
