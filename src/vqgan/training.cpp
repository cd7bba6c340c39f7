#include "vqgan/training.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "comm/collectives.hpp"
#include "comm/stop_agreement.hpp"
#include "core/activity.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/last_words.hpp"
#include "device/host_access.hpp"
#include "io/outcome.hpp"
#include "kernels/optimizer/optimizer.hpp"
#include "tensors/tensor_source.hpp"
#include "vqgan/checkpoint.hpp"
#include "vqgan/codebook.hpp"
#include "vqgan/network.hpp"
#include "vqgan/rank_share.hpp"

namespace ringworld {
namespace {

/// Frames that the codebook is made from: numbers that no step reaches.
constexpr std::uint64_t first_seeding_frame = std::uint64_t{1} << 40U;

/// The numbers of all ranks, in rank order, on every rank.
/// @param per_item  numbers of an item     @param items  of all ranks, cut by share_of
std::vector<float> gather(const Communicator& world, std::span<const float> mine, std::int64_t items,
                          std::int64_t per_item) {
  constexpr auto float_bytes = static_cast<std::int64_t>(sizeof(float));
  const std::int64_t distance = largest_share(items, world.size()) * per_item;
  std::vector<float> blocks(static_cast<std::size_t>(distance * world.size()));
  std::ranges::copy(mine, blocks.begin() + distance * world.rank());
  RankBlocks all{
      .memory = reinterpret_cast<std::byte*>(blocks.data()), .distance = distance * float_bytes, .bytes = {}};
  for (int rank = 0; rank < world.size(); ++rank) {
    all.bytes.push_back(share_of(items, rank, world.size()).count() * per_item * float_bytes);
  }
  start_all_gather(world, all).wait();
  std::vector<float> result;
  for (int rank = 0; rank < world.size(); ++rank) {
    const auto begin = blocks.begin() + distance * rank;
    result.insert(result.end(), begin, begin + all.bytes[static_cast<std::size_t>(rank)] / float_bytes);
  }
  return result;
}

class VqganTrainer {
 public:
  VqganTrainer(const Communicator& world, const VqganRun& run, VqganObserver& observer)
      : world_(world),
        run_(run),
        plan_(run.plan),
        observer_(observer),
        architecture_(describe_vqgan(plan_.config)),
        memory_(device_of(plan_.backend)),
        access_(memory_),
        threads_(static_cast<int>(plan_.threads)),
        parameters_(architecture_, VqganUse::training, plan_.backend),
        network_(parameters_, VqganUse::training, frames_per_pass(plan_, world.size()), plan_.backend, threads_),
        optimizer_(make_optimizer(plan_.backend, {.threads = threads_})),
        tensors_(make_tensor_ops(plan_.backend, {.threads = threads_})) {
    progress_.is_code_used.assign(static_cast<std::size_t>(plan_.config.codebook_size), 0);
  }

  void start() {
    reset_high_water(memory_);
    if (!run_.is_resumed) {
      parameters_.initialize(static_cast<std::uint64_t>(plan_.seed));
      return;
    }
    const auto source = open_tensor_source(world_, run_.checkpoint.path);
    progress_ = read_vqgan_checkpoint(*source, parameters_);
  }

  TrainingEnd run() {
    network_.profile().start();
    last_checkpoint_ = now_seconds();
    while (progress_.step < plan_.steps) {
      if (progress_.step == plan_.plain_steps && !progress_.has_codebook) {
        make_codebook();
      }
      const VqganStepRow row = run_step();
      observer_.on_step(row);
      if (!row.valid) {
        throw Error(ErrorKind::check_failed, fmt::format("step {}: {}", row.step, row.reason.view())).as_collective();
      }
      const bool is_last = progress_.step == plan_.steps;
      if (is_last || (plan_.evaluate_every > 0 && progress_.step % plan_.evaluate_every == 0)) {
        evaluate();
      }
      if (is_last || is_stopping_ || is_checkpoint_due()) {
        write_checkpoint();
      }
      if (is_stopping_ && !is_last) {
        return TrainingEnd::stopped;
      }
    }
    return TrainingEnd::finished;
  }

 private:
  [[nodiscard]] bool is_quantized() const { return progress_.has_codebook; }
  [[nodiscard]] std::int64_t latent() const { return plan_.config.latent_channels; }

  /// Calls `function(frames, first)` for every pass over frames of this rank, which are loaded.
  template <class Function>
  void for_each_pass(const FrameSource& source, std::uint64_t first, const RankShare& share, Function&& function) {
    const auto size = static_cast<std::size_t>(architecture_.values.front().size());
    for (std::int64_t at = share.begin; at < share.end; at += network_.frames()) {
      const std::int64_t frames = std::min(network_.frames(), share.end - at);
      const std::span<float> pixels = network_.edit_frames(frames);
      for (std::int64_t frame = 0; frame < frames; ++frame) {
        source.draw(first + static_cast<std::uint64_t>(at + frame),
                    pixels.subspan(static_cast<std::size_t>(frame) * size, size));
      }
      network_.load_frames(frames);
      function(frames);
      note_progress();
    }
  }

  [[nodiscard]] RankShare mine_of(std::int64_t frames) const { return share_of(frames, world_.rank(), world_.size()); }

  void append_z(std::int64_t frames, std::vector<float>& z) {
    const std::span<const float> found = access_.read(network_.z(frames));
    z.insert(z.end(), found.begin(), found.end());
  }

  /// Every rank gets all vectors and makes the same codebook; the root's is the one.
  void make_codebook() {
    const Phase phase("codebook");
    std::vector<float> mine;
    for_each_pass(*run_.training, first_seeding_frame, mine_of(plan_.seeding_frames), [&](std::int64_t frames) {
      network_.encode(frames);
      append_z(frames, mine);
    });
    const std::vector<float> z = gather(world_, mine, plan_.seeding_frames, network_.vectors_per_frame() * latent());
    DrawStream draws(static_cast<std::uint64_t>(plan_.seed), DrawPurpose::codebook_seeding, {});
    std::vector<float> codebook = choose_seeds(z, latent(), plan_.config.codebook_size, draws);
    improve_codebook(z, codebook);
    world_.broadcast(std::as_writable_bytes(std::span(codebook)), 0);
    access_.write(codebook_of(parameters_.values()),
                  [&](std::span<float> values) { std::ranges::copy(codebook, values.begin()); });
    progress_.has_codebook = true;
  }

  void improve_codebook(std::span<const float> z, std::vector<float>& codebook) {
    const auto count = std::ssize(z) / latent();
    const auto quantizer = make_vector_quantizer(plan_.backend, {.threads = threads_});
    DualArray<float> vectors(std::ssize(z), memory_);
    DualArray<float> table(std::ssize(codebook), memory_);
    DualArray<std::int32_t> codes(count, memory_);
    std::ranges::copy(z, vectors.edit(std::ssize(z)).begin());
    const float* const on_device = vectors.upload(std::ssize(z)).data();
    for (std::int64_t round = 0; round < plan_.seeding_rounds; ++round) {
      std::ranges::copy(codebook, table.edit(std::ssize(codebook)).begin());
      quantizer->nearest(
          {.z = {on_device, {count, latent()}},
           .codebook = {table.upload(std::ssize(codebook)).data(), {plan_.config.codebook_size, latent()}},
           .codes = codes.device(count).data()});
      codes.download(count);
      move_to_means(z, latent(), codes.read(count), codebook);
      note_progress();
    }
  }

  [[nodiscard]] std::span<float> codebook_of(std::span<float> all) const {
    return VqganParameters::part(all, architecture_.tensors[architecture_.codebook()]);
  }

  /// Whether codes that were not used start again after the step that is being taken.
  [[nodiscard]] bool is_end_of_watch() const {
    return is_quantized() && plan_.restart_every > 0 &&
           (progress_.step - plan_.plain_steps + 1) % plan_.restart_every == 0;
  }
  [[nodiscard]] bool may_restart() const {
    return static_cast<double>(progress_.step) < plan_.restart_until * static_cast<double>(plan_.steps);
  }

  [[nodiscard]] VqganLossScales loss_scales() const {
    const auto numbers = static_cast<double>(plan_.batch * architecture_.values.front().size());
    const auto latents = static_cast<double>(plan_.batch * network_.vectors_per_frame() * latent());
    return {.absolute = plan_.absolute_weight / numbers,
            .squared = plan_.squared_weight / numbers,
            .codebook = plan_.codebook_weight / latents,
            .commitment = plan_.codebook_weight * plan_.config.commitment / latents};
  }

  VqganStepRow run_step() {
    const Phase phase("training step {}", progress_.step);
    const LastWords words([this](const std::string& reason) {
      VqganStepRow cut = describe_step();
      conclude(cut, Outcome::interrupted, reason);
      observer_.on_standstill(cut);
    });
    world_.barrier();
    const double start = now_seconds();
    tensors_->fill_zero(parameters_.gradients());
    const VqganLossScales scales = loss_scales();
    const bool watches = is_end_of_watch() && may_restart();
    std::vector<std::int64_t> counts(progress_.is_code_used.size(), 0);
    std::vector<float> z;
    std::vector<float> errors;
    VqganSums sums;
    const auto first = static_cast<std::uint64_t>(progress_.step * plan_.batch);
    for_each_pass(*run_.training, first, mine_of(plan_.batch), [&](std::int64_t frames) {
      sums.add(network_.forward_backward(frames, scales, is_quantized()));
      if (is_quantized()) {
        std::ranges::for_each(network_.codes(frames),
                              [&](std::int32_t code) { ++counts[static_cast<std::size_t>(code)]; });
      }
      if (watches) {
        append_z(frames, z);
        const std::span<const float> found = network_.squared_errors(frames);
        errors.insert(errors.end(), found.begin(), found.end());
      }
    });
    reduce(sums, counts);
    const double norm = std::sqrt(optimizer_->sum_of_squares(parameters_.gradients()));
    VqganStepRow row = describe_step();
    fill_errors(row, sums, scales, counts);
    row.grad_norm = norm;
    const bool is_finite = std::isfinite(row.loss) && std::isfinite(norm);
    if (is_finite) {
      update(row.learning_rate, norm);
      for (std::size_t code = 0; code < counts.size(); ++code) {
        progress_.is_code_used[code] |= static_cast<std::uint8_t>(counts[code] > 0);
      }
      if (watches) {
        row.codes_restarted = restart_codes(z, errors);
      }
      if (is_end_of_watch()) {
        std::ranges::fill(progress_.is_code_used, std::uint8_t{0});
      }
    }
    WorkSeconds work = network_.profile().collect();
    std::array<double, 3> agreed{now_seconds() - start, stop_vote(), is_finite ? 0.0 : 1.0};
    world_.all_reduce(std::span<double>(agreed), Reduction::max);
    world_.all_reduce(std::span<double>(work.seconds), Reduction::sum);
    is_stopping_ = agreed[1] > 0;
    row.step_time = agreed[0];
    row.frames_per_second = static_cast<double>(plan_.batch) / row.step_time;
    row.product_time = work[Work::product] / world_.size();
    row.elementwise_time = work[Work::elementwise] / world_.size();
    row.communication_time = work[Work::communication] / world_.size();
    progress_.elapsed += row.step_time;
    row.elapsed = progress_.elapsed;
    ++progress_.step;
    if (agreed[2] == 0) {
      conclude(row, Outcome::ok);
    } else {
      conclude(row, Outcome::not_finite,
               fmt::format("diverged: loss {} and gradient norm {}, which must be finite", row.loss, norm));
    }
    return row;
  }

  /// The sums over ranks, of the same bits on every rank.
  void reduce(VqganSums& sums, std::vector<std::int64_t>& counts) {
    const Phase phase("gradient reduce");
    const auto scope = network_.profile().scope(Work::communication);
    all_reduce(world_, parameters_.gradients(), Reduction::sum, memory_);
    std::array<double, 3> all{sums.absolute, sums.squared, sums.quantization};
    world_.all_reduce(std::span<double>(all), Reduction::sum);
    sums = {.absolute = all[0], .squared = all[1], .quantization = all[2]};
    if (is_quantized()) {
      world_.all_reduce(std::span<std::int64_t>(counts), Reduction::sum);
    }
  }

  void update(double rate, double norm) {
    const auto scope = network_.profile().scope(Work::elementwise);
    const AdamWSettings& settings = plan_.optimizer;
    const double scale = settings.clip > 0 && norm > settings.clip ? settings.clip / norm : 1.0;
    // Weight decay, where it is wanted, is that of all parameters.
    optimizer_->adamw({.parameter = parameters_.values(),
                       .gradient = parameters_.gradients(),
                       .first_moment = parameters_.first_moments(),
                       .second_moment = parameters_.second_moments(),
                       .bfloat16_copy = {}},
                      {.learning_rate = rate,
                       .beta1 = settings.beta1,
                       .beta2 = settings.beta2,
                       .epsilon = settings.epsilon,
                       .weight_decay = settings.weight_decay,
                       .gradient_scale = scale,
                       .step = progress_.step + 1});
  }

  /// @return how many
  std::int64_t restart_codes(std::span<const float> my_z, std::span<const float> my_errors) {
    const Phase phase("restart of codes");
    const std::vector<float> z = gather(world_, my_z, plan_.batch, network_.vectors_per_frame() * latent());
    const std::vector<float> errors = gather(world_, my_errors, plan_.batch, network_.vectors_per_frame());
    DrawStream draws(static_cast<std::uint64_t>(plan_.seed), DrawPurpose::code_restart,
                     {static_cast<std::uint64_t>(progress_.step)});
    const std::vector<CodeRestart> restarts = draw_restarts(z, latent(), errors, progress_.is_code_used, draws);
    const auto write = [&](std::span<float> all, auto&& number) {
      for (const CodeRestart& restart : restarts) {
        const auto place = static_cast<std::size_t>(restart.code * latent());
        access_.write(codebook_of(all).subspan(place, static_cast<std::size_t>(latent())),
                      [&](std::span<float> values) {
                        for (std::size_t axis = 0; axis < values.size(); ++axis) {
                          values[axis] = number(restart, axis);
                        }
                      });
      }
    };
    write(parameters_.values(), [](const CodeRestart& restart, std::size_t axis) { return restart.vector[axis]; });
    const auto zero = [](const CodeRestart&, std::size_t) { return 0.0F; };
    write(parameters_.first_moments(), zero);
    write(parameters_.second_moments(), zero);
    return std::ssize(restarts);
  }

  void fill_errors(VqganStepRow& row, const VqganSums& sums, const VqganLossScales& scales,
                   std::span<const std::int64_t> counts) const {
    row.loss = scales.absolute * sums.absolute + scales.squared * sums.squared +
               (scales.codebook + scales.commitment) * sums.quantization;
    const auto numbers = static_cast<double>(plan_.batch * architecture_.values.front().size());
    row.absolute_error = sums.absolute / numbers;
    row.squared_error = sums.squared / numbers;
    row.quantization_error =
        sums.quantization / static_cast<double>(plan_.batch * network_.vectors_per_frame() * latent());
    row.codes_used = std::ranges::count_if(counts, [](std::int64_t count) { return count > 0; });
  }

  /// The columns that are known before the step runs. Not valid yet.
  [[nodiscard]] VqganStepRow describe_step() const {
    VqganStepRow row;
    row.step = progress_.step;
    row.batch = plan_.batch;
    row.is_quantized = is_quantized();
    LearningRateSchedule schedule = plan_.learning_rate;
    schedule.steps = plan_.steps;
    row.learning_rate = learning_rate(schedule, progress_.step);
    row.ranks = world_.size();
    row.seed = plan_.seed;
    row.training_digest = std::string_view(run_.digest);
    row.valid = false;
    return row;
  }

  void evaluate() {
    const Phase phase("evaluation");
    world_.barrier();
    const double start = now_seconds();
    std::vector<std::int64_t> counts(progress_.is_code_used.size(), 0);
    std::array<double, 3> sums{};  // absolute, squared, quantisation
    const auto size = static_cast<std::size_t>(architecture_.values.front().size());
    std::vector<float> originals;
    for_each_pass(*run_.evaluation, 0, mine_of(plan_.evaluation_frames), [&](std::int64_t frames) {
      const std::span<const float> loaded = network_.edit_frames(frames);
      originals.assign(loaded.begin(), loaded.begin() + static_cast<std::ptrdiff_t>(size) * frames);
      network_.encode(frames);
      if (is_quantized()) {
        network_.quantize(frames);
        std::ranges::for_each(network_.codes(frames),
                              [&](std::int32_t code) { ++counts[static_cast<std::size_t>(code)]; });
        std::ranges::for_each(network_.squared_errors(frames), [&](float error) { sums[2] += error; });
      } else {
        network_.pass_by_quantizer(frames);
      }
      network_.decode(frames);
      const std::span<const float> found = network_.reconstruction(frames);
      for (std::size_t place = 0; place < originals.size(); ++place) {
        const double error = std::clamp(found[place], -1.0F, 1.0F) - originals[place];
        sums[0] += std::abs(error);
        sums[1] += error * error;
      }
    });
    static_cast<void>(network_.profile().collect());
    world_.all_reduce(std::span<double>(sums), Reduction::sum);
    world_.all_reduce(std::span<std::int64_t>(counts), Reduction::sum);
    VqganEvaluationRow row = describe_evaluation();
    row.seconds = world_.all_reduce(now_seconds() - start, Reduction::max);
    row.frames_per_second = static_cast<double>(row.frames) / row.seconds;
    const auto numbers = static_cast<double>(row.frames) * static_cast<double>(size);
    row.absolute_error = sums[0] / numbers;
    row.squared_error = sums[1] / numbers;
    row.quantization_error = sums[2] / static_cast<double>(row.frames * network_.vectors_per_frame() * latent());
    row.psnr = 10 * std::log10(4 / row.squared_error);
    const CodeUsage usage = usage_of(counts);
    row.codes_used = usage.used;
    row.perplexity = usage.perplexity;
    conclude(row, std::isfinite(row.squared_error) ? Outcome::ok : Outcome::not_finite);
    observer_.on_evaluation(row);
  }

  [[nodiscard]] VqganEvaluationRow describe_evaluation() const {
    VqganEvaluationRow row;
    row.step = progress_.step;
    row.frames = plan_.evaluation_frames;
    row.frame_side = plan_.config.frame_side;
    row.codes_per_frame = network_.vectors_per_frame();
    row.codebook_size = plan_.config.codebook_size;
    row.parameters = parameter_count(architecture_);
    row.is_quantized = is_quantized();
    row.training_seconds = progress_.elapsed;
    row.backend = name_of(plan_.backend);
    row.threads = plan_.threads;
    row.peak_bytes = world_.all_reduce(memory_account(memory_).high_water, Reduction::max);
    row.peak_bytes_model = plan_vqgan_training_memory(plan_, world_.size()).total();
    row.ranks = world_.size();
    row.seed = plan_.seed;
    row.training_digest = std::string_view(run_.digest);
    return row;
  }

  [[nodiscard]] bool is_checkpoint_due() const {
    const CheckpointPolicy& policy = run_.checkpoint;
    if (policy.every_steps > 0 && progress_.step % policy.every_steps == 0) {
      return true;
    }
    return policy.every_seconds > 0 &&
           world_.all_reduce(now_seconds() - last_checkpoint_, Reduction::max) >= policy.every_seconds;
  }

  void write_checkpoint() {
    const Phase phase("checkpoint");
    observer_.on_checkpoint();
    write_vqgan_checkpoint(world_, run_.checkpoint.path, parameters_, progress_, plan_.seed, run_.settings);
    last_checkpoint_ = now_seconds();
  }

  Communicator world_;
  const VqganRun& run_;
  const VqganTrainingPlan& plan_;
  VqganObserver& observer_;
  VqganArchitecture architecture_;
  DeviceKind memory_;
  HostAccess access_;
  int threads_;
  VqganParameters parameters_;
  VqganNetwork network_;
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<TensorOps> tensors_;
  VqganProgress progress_;
  bool is_stopping_ = false;  // some rank was told to
  double last_checkpoint_ = 0;
};

}  // namespace

TrainingEnd train_vqgan(const Communicator& world, const VqganRun& run, VqganObserver& observer) {
  std::unique_ptr<VqganTrainer> trainer;
  on_every_rank(world, [&] {
    validate(run.plan);
    for (const FrameSource* const source : {run.training, run.evaluation}) {
      require(source != nullptr && source->frame_side() == run.plan.config.frame_side,
              "the frames have the size that the network takes");
    }
    trainer = std::make_unique<VqganTrainer>(world, run, observer);
  });
  trainer->start();
  return trainer->run();
}

}  // namespace ringworld
