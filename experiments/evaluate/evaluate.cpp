/// @file  `ringworld evaluate`: a world model, asked about images and videos, and for them.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <limits>
#include <optional>

#include "comm/stop_agreement.hpp"
#include "core/activity.hpp"
#include "core/last_words.hpp"
#include "core/log.hpp"
#include "eval/wilson_interval.hpp"
#include "experiments/common/content_digest.hpp"
#include "experiments/common/cpu_sharing.hpp"
#include "experiments/common/job.hpp"
#include "experiments/common/job_files.hpp"
#include "experiments/common/named_corpus.hpp"
#include "experiments/common/names.hpp"
#include "experiments/common/point_verdicts.hpp"
#include "experiments/common/progress.hpp"
#include "experiments/common/run_record.hpp"
#include "experiments/common/theta_choice.hpp"
#include "experiments/evaluate/config.hpp"
#include "experiments/evaluate/evaluated_model.hpp"
#include "experiments/evaluate/measure.hpp"
#include "experiments/evaluate/rows.hpp"
#include "io/console_table.hpp"

namespace ringworld {
namespace {

constexpr const char* description =
    "Measures what a world model knows of cards with handwriting that training never showed: captions of images and "
    "clips,\n"
    "images and clips of captions, and digits hidden in videos of any length. Chance and the ceiling that the frame "
    "tokenizer\n"
    "leaves stand beside each share of right answers, and the record keeps frames and captions to look at.";

constexpr std::string_view whole_answer = "all";

/// Held-out text in the model's own tokens.
struct HeldOutText {
  HeldOutText(const Corpus& corpus, const Tokenizer& tokenizer)
      : digest(content_digest(corpus.documents)), warning(warning_of(corpus, tokenizer)), haystack(corpus, tokenizer) {}

  std::string digest;
  std::string warning;
  Haystack haystack;
};

/// Measures the points of a run and records them.
class Evaluation {
 public:
  Evaluation(EvaluatedModel& model, const HeldOutText* text, RunRecord& record)
      : model_(model), values_(model.options()), text_(text), record_(record) {}

  /// Whether the record holds the point, under another way to choose the same theta as well. Collective.
  bool holds(const EvaluationPoint& point) {
    switch (point.task) {
      case EvaluationTask::needle:
        return record_.holds(needle_row(point)) || copy_answer(needle_row(point));
      case EvaluationTask::text:
        return record_.holds(text_row());
      default:
        return record_.holds(measure_row(point, whole_answer));
    }
  }

  /// Measures a point and adds its rows. Collective.
  /// @return a line for people
  std::string measure(const EvaluationPoint& point) {
    const LastWords words([this, point](const std::string& reason) {
      with_row(point, [&](auto row) {
        conclude(row, Outcome::interrupted, reason);
        record_.add_last_words(row);
      });
    });
    try {
      switch (point.task) {
        case EvaluationTask::round_trip:
          return measure_round_trip_point(point);
        case EvaluationTask::text:
          return measure_text_point();
        case EvaluationTask::needle:
          return measure_needle_point(point);
        default:
          return measure_answers(point);
      }
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::out_of_memory || !error.is_collective()) {
        throw;
      }
      with_row(point, [&](auto row) {
        conclude(row, outcome_of(error.kind()), error.what());
        record_.add(row);
      });
      return fmt::format("{}: {}", name_of_point(point), error.what());
    }
  }

  /// On the root: how the point ended.
  Outcome outcome(const EvaluationPoint& point) {
    Outcome found = Outcome::interrupted;
    with_row(point, [&](const auto& wanted) {
      if (const auto* const row = record_.find(wanted); row != nullptr) {
        found = outcome_of(*row);
      }
    });
    return found;
  }

  [[nodiscard]] std::string name_of_point(const EvaluationPoint& point) const {
    if (point.task == EvaluationTask::needle) {
      const std::string place =
          point.cell.depth.has_value() ? fmt::format("depth {:.3g}", *point.cell.depth) : std::string("anywhere");
      return fmt::format("needle F={} {}/{} {} theta {:g}", point.cell.frames, point.cell.planted, point.cell.asked,
                         place, theta_of(point));
    }
    if (generates(point.task)) {
      return fmt::format("{} temperature {:g}{}", name_of(point.task), point.temperature,
                         point.guidance == 1 ? std::string() : fmt::format(" guidance {:g}", point.guidance));
    }
    return std::string(name_of(point.task));
  }

 private:
  /// Calls `use(row)` with the row that stands for a point.
  template <class Use>
  void with_row(const EvaluationPoint& point, const Use& use) {
    switch (point.task) {
      case EvaluationTask::needle:
        return use(needle_row(point));
      case EvaluationTask::text:
        return use(text_row());
      default:
        return use(measure_row(point, whole_answer));
    }
  }

  template <class Row>
  Row new_row() const {
    const CheckpointDescription& of_model = model_.trained().description();
    Row row;
    row.stages = std::string_view(of_model.stages);
    row.stage = of_model.stage;
    row.trained_context_length = of_model.context_length;
    row.training_seed = of_model.seed;
    row.split = name_of(values_.split);
    row.seed = values_.seed;
    row.ranks = model_.mesh().along(MeshAxis::sp).size();
    row.mesh = std::string_view(model_.mesh().shape().to_string());
    row.set_schedule(values_.schedule);
    row.layout = name_of(values_.layout);
    row.backend = name_of(values_.backend);
    row.dtype = name_of(values_.dtype);
    row.threads = values_.threads;
    row.checkpoint = std::string_view(values_.checkpoint);
    row.checkpoint_digest = std::string_view(model_.trained().digest());
    row.frame_tokenizer =
        std::string_view(values_.frame_tokenizer.empty() ? of_model.frame_tokenizer : values_.frame_tokenizer);
    row.frame_tokenizer_digest = std::string_view(content_digest(std::array{of_model.frame_tokenizer_digest}));
    row.cards_digest = std::string_view(content_digest(std::array{model_.cards().digest()}));
    return row;
  }

  [[nodiscard]] double theta_of(const EvaluationPoint& point) const {
    const CheckpointDescription& of_model = model_.trained().description();
    const std::int64_t length = model_.format().vision_length(point.cell.frames);
    return read_theta(point.theta).value(of_model.rope_theta, of_model.context_length, length);
  }

  [[nodiscard]] EvaluationMeasureRow measure_row(const EvaluationPoint& point, std::string_view part) const {
    auto row = new_row<EvaluationMeasureRow>();
    row.task = name_of(point.task);
    row.measure = part;
    row.items = point.task == EvaluationTask::text_image   ? values_.images
                : point.task == EvaluationTask::text_video ? values_.clips
                                                           : values_.items;
    row.temperature = point.temperature;
    row.top_k = generates(point.task) ? values_.top_k : 0;
    row.guidance = point.guidance;
    row.rope_theta = model_.trained().description().rope_theta;
    row.chance = chance_of(part, point.task);
    return row;
  }

  [[nodiscard]] EvaluationNeedleRow needle_row(const EvaluationPoint& point) const {
    auto row = new_row<EvaluationNeedleRow>();
    row.frames = point.cell.frames;
    row.rope_theta = theta_of(point);
    row.log_length = values_.log_length;
    row.theta_mode = std::string_view(read_theta(point.theta).mode);
    row.kind = point.cell.depth.has_value() ? "single" : "multi";
    row.depth = point.cell.depth.value_or(std::numeric_limits<double>::quiet_NaN());
    row.needles_planted = point.cell.planted;
    row.needles_asked = point.cell.asked;
    row.videos = values_.trials;
    row.chance = chance_of("digit", point.task);
    return row;
  }

  [[nodiscard]] EvaluationTextRow text_row() const {
    auto row = new_row<EvaluationTextRow>();
    row.windows = values_.text_windows;
    row.context_length = values_.text_tokens;
    row.rope_theta = model_.trained().description().rope_theta;
    row.haystack = std::string_view(fmt::format("{}", fmt::join(values_.haystack, ",")));
    row.haystack_digest = std::string_view(text_ == nullptr ? std::string() : text_->digest);
    return row;
  }

  bool copy_answer(const EvaluationNeedleRow& wanted) {
    const auto is_it = [&](EvaluationNeedleRow row) {
      row.theta_mode = wanted.theta_mode;
      return row.valid && same_keys(row, wanted);
    };
    if (!record_.holds_any<EvaluationNeedleRow>(is_it)) {
      return false;
    }
    record_.write([&] {
      EvaluationNeedleRow copy = *std::ranges::find_if(record_.rows<EvaluationNeedleRow>(), is_it);
      copy.theta_mode = wanted.theta_mode;
      record_.append(copy);
    });
    return true;
  }

  template <class Row>
  static void count_into(const PartCount& count, Row& row) {
    const Interval interval = wilson_interval(count.hits, count.trials);
    row.hits = count.hits;
    row.trials = count.trials;
    row.wilson_low = interval.low;
    row.wilson_high = interval.high;
  }

  template <class Row>
  static void cost_into(const Measured& measured, Row& row) {
    row.seconds = measured.seconds;
    row.tokens_per_second = static_cast<double>(measured.tokens) / measured.seconds;
    row.peak_bytes = measured.peak_bytes;
    row.planned_bytes = measured.planned_bytes;
    if (measured.is_finite) {
      conclude(row, Outcome::ok);
    } else {
      conclude(row, Outcome::not_finite, "the model's probabilities are not numbers");
    }
  }

  /// On the root, inside write().
  void append_examples(const EvaluationPoint& point, const std::vector<KeptExample>& examples) {
    for (std::size_t index = 0; index < examples.size(); ++index) {
      const KeptExample& example = examples[index];
      auto row = new_row<EvaluationExampleRow>();
      row.task = name_of(point.task);
      row.number = static_cast<std::int64_t>(index);
      row.temperature = point.temperature;
      row.top_k = generates(point.task) ? values_.top_k : 0;
      row.guidance = point.guidance;
      row.asked = std::string_view(example.asked);
      row.answered = std::string_view(example.answered);
      row.is_right = example.is_right;
      row.side = model_.cards().frame_side();
      row.frames = example.frames;
      row.first = record_.append_numbers<std::uint8_t>(EvaluationExampleRow::arrays()[0], example.pixels);
      conclude(row, Outcome::ok);
      record_.append(row);
    }
  }

  /// On the root, inside write(): the whole answer comes last, so that a record that holds it holds all parts.
  void append_measures(const EvaluationPoint& point, const PartTally& answers, const PartTally& ceilings,
                       const Measured& cost) {
    for (const PartCount& count : answers.parts()) {
      EvaluationMeasureRow row = measure_row(point, count.part);
      count_into(count, row);
      row.ceiling = ceilings.share(count.part);
      cost_into(cost, row);
      record_.append(row);
    }
  }

  std::string measure_answers(const EvaluationPoint& point) {
    const Measured measured =
        generates(point.task) ? measure_generated(model_, point) : measure_captions(model_, point.task);
    std::string line;
    record_.write([&] {
      append_examples(point, measured.examples);
      append_measures(point, measured.answers, measured.ceilings, measured);
      line = describe(point, measured.answers, measured.seconds);
    });
    return line;
  }

  std::string measure_round_trip_point(const EvaluationPoint& point) {
    std::string line;
    record_.write([&] {
      const RoundTrip result = measure_round_trip(model_);
      Measured cost;
      cost.seconds = result.seconds;
      cost.tokens = values_.items * model_.frames().codes_per_frame();
      cost.is_finite = std::isfinite(result.psnr);
      append_examples(point, result.examples);
      for (const PartCount& count : result.original.parts()) {
        EvaluationMeasureRow row = measure_row(point, count.part);
        row.task = "original";
        count_into(count, row);
        cost_into(cost, row);
        record_.append(row);
      }
      append_measures(point, result.decoded, result.original, cost);
      auto row = new_row<EvaluationRoundTripRow>();
      row.frames = values_.items;
      row.psnr = result.psnr;
      row.codes_used = result.codes_used;
      row.codebook_size = model_.frames().codebook_size();
      row.code_perplexity = result.code_perplexity;
      row.seconds = result.seconds;
      conclude(row, cost.is_finite ? Outcome::ok : Outcome::not_finite);
      record_.append(row);
      line = fmt::format("{}, {:.2f} dB, {} codes used", describe(point, result.decoded, result.seconds), result.psnr,
                         result.codes_used);
    });
    return line;
  }

  std::string measure_needle_point(const EvaluationPoint& point) {
    EvaluationNeedleRow row = needle_row(point);
    const Measured measured = measure_needles(model_, point.cell, row.rope_theta);
    row.context_length = measured.context_length;
    row.wrong_needle = measured.wrong_needle;
    row.nll = measured.nll;
    std::string line;
    record_.write([&] {
      count_into(measured.answers.parts().front(), row);
      row.ceiling = measured.ceilings.share("digit");
      cost_into(measured, row);
      record_.append(row);
      line = fmt::format("{}: {}/{} right ({:.2f} to {:.2f}, ceiling {:.2f}), nll {:.6f}, {} tokens, {}s",
                         name_of_point(point), row.hits, row.trials, row.wilson_low, row.wilson_high, row.ceiling,
                         row.nll, row.context_length, with_si_prefix(row.seconds));
    });
    return line;
  }

  std::string measure_text_point() {
    EvaluationTextRow row = text_row();
    const MeasuredText measured = measure_text(model_, text_->haystack);
    row.tokens = measured.tokens;
    row.nll = measured.nll;
    row.perplexity = std::exp(measured.nll);
    row.seconds = measured.seconds;
    conclude(row, std::isfinite(row.nll) ? Outcome::ok : Outcome::not_finite);
    record_.add(row);
    return fmt::format("text: nll {:.3f} over {} tokens", row.nll, row.tokens);
  }

  [[nodiscard]] std::string describe(const EvaluationPoint& point, const PartTally& answers, double seconds) const {
    std::vector<std::string> shares;
    for (const PartCount& count : answers.parts()) {
      shares.push_back(fmt::format("{} {:.2f}", count.part, answers.share(count.part)));
    }
    return fmt::format("{}: {}, {}s", name_of_point(point), fmt::join(shares, ", "), with_si_prefix(seconds));
  }

  EvaluatedModel& model_;
  const EvaluateOptions& values_;
  const HeldOutText* text_;
  RunRecord& record_;
};

void print_summary(RunRecord& record, const std::string& output) {
  constexpr std::array<std::string_view, 7> measure_columns{"task",   "measure", "temperature", "hits",
                                                            "trials", "chance",  "ceiling"};
  fmt::print(
      "{}", console_table(std::span<const EvaluationMeasureRow>(record.rows<EvaluationMeasureRow>()), measure_columns));
  constexpr std::array<std::string_view, 9> needle_columns{
      "frames", "theta_mode", "rope_theta", "depth", "needles_planted", "needles_asked", "hits", "trials", "ceiling"};
  fmt::print("{}",
             console_table(std::span<const EvaluationNeedleRow>(record.rows<EvaluationNeedleRow>()), needle_columns));
  fmt::print("{} shares of right answers, {} needle cells -> {}\n", record.rows<EvaluationMeasureRow>().size(),
             record.rows<EvaluationNeedleRow>().size(), output);
  std::fflush(stdout);
}

bool asks_for_text(const EvaluateOptions& values) {
  return std::ranges::find(values.tasks, EvaluationTask::text) != values.tasks.end();
}

}  // namespace

int run_evaluate(const Job& job) {
  EvaluateOptions values;
  Options options("evaluate", description);
  declare(options, values);
  if (!parse_options(job, options)) {
    return 0;
  }
  const Communicator& world = job.world;
  std::vector<JobFile> reads;
  if (asks_for_text(values)) {
    reads = job_files("--haystack", haystack_files(values.haystack));
  }
  reads.push_back({.flag = "--checkpoint", .path = values.checkpoint});
  reads.push_back({.flag = "--frame-tokenizer", .path = values.frame_tokenizer});
  const JobFiles files(job, std::move(reads), {{.flag = "--output", .path = values.output}});
  static_cast<void>(warn_of_shared_cpus(world, values.threads));
  MeshShape shape;
  std::vector<EvaluationPoint> points;
  on_every_rank(world, [&] {
    require_input(!values.checkpoint.empty(), "--checkpoint is missing: the file that ringworld train wrote");
    points = make_evaluation_points(values);
    shape = parse_mesh(values.mesh, world.size());
    require_input(shape[MeshAxis::dp] == 1 && shape[MeshAxis::fsdp] == 1,
                  fmt::format("--mesh {}: an evaluation splits sequences, not batches: dp and fsdp must be 1",
                              shape.to_string()));
  });
  const Mesh mesh(world, shape);
  EvaluatedModel model(world, mesh, values);
  std::optional<HeldOutText> text;
  if (asks_for_text(values)) {
    on_every_rank(world, [&] {
      text.emplace(read_named_corpus(values.haystack, model.trained().description().seed), model.trained().tokenizer());
    });
    if (world.is_root() && !text->warning.empty()) {
      log_warning(text->warning);
    }
  }
  RunRecord record(job, {.output = values.output,
                         .is_resumed = values.resume,
                         .retries_failed = values.retry_failed,
                         .configuration = options.to_toml(),
                         .seeds = {values.seed}});
  Evaluation evaluation(model, text ? &*text : nullptr, record);
  SweepProgress progress(std::ssize(points), world.is_root());
  bool is_stopped = false;
  for (const EvaluationPoint& point : points) {
    is_stopped = is_stop_wanted(world);
    if (is_stopped) {
      break;
    }
    const Phase phase = Phase::named(evaluation.name_of_point(point));
    if (evaluation.holds(point)) {
      progress.skip();
    } else {
      progress.begin();
      progress.advance(evaluation.measure(point));
    }
  }
  record.finish();
  PointVerdicts verdicts;
  on_root(world, [&] {
    for (const EvaluationPoint& point : points) {
      verdicts.count(evaluation.outcome(point));
    }
    print_summary(record, values.output);
    verdicts.print_advice();
  });
  if (is_stopped) {
    return stopped_early(
        job, fmt::format("the points that are left are not measured; --resume goes on in {}", values.output));
  }
  return verdicts.exit_code(world);
}

}  // namespace ringworld
