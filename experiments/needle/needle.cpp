/// @file  `ringworld needle`: a checkpoint, asked for needles over context lengths and depths.

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
#include "core/clock.hpp"
#include "core/last_words.hpp"
#include "core/log.hpp"
#include "eval/perplexity.hpp"
#include "eval/wilson_interval.hpp"
#include "experiments/common/cpu_sharing.hpp"
#include "experiments/common/figures_of_merit.hpp"
#include "experiments/common/job.hpp"
#include "experiments/common/job_files.hpp"
#include "experiments/common/named_corpus.hpp"
#include "experiments/common/names.hpp"
#include "experiments/common/point_verdicts.hpp"
#include "experiments/common/progress.hpp"
#include "experiments/common/run_record.hpp"
#include "experiments/needle/config.hpp"
#include "experiments/needle/model_of_length.hpp"
#include "experiments/needle/transcript.hpp"
#include "experiments/needle/trial_source.hpp"
#include "io/console_table.hpp"
#include "io/csv_table.hpp"
#include "model/flop.hpp"
#include "tasks/needle/generation.hpp"
#include "tasks/needle/rows.hpp"
#include "tasks/recall/open_score.hpp"

namespace ringworld {
namespace {

constexpr const char* description =
    "Plants facts in held-out text and asks a trained model for them. Scores exact greedy answers over context "
    "lengths,\n"
    "depths and numbers of needles, with 95 % Wilson intervals. Each cell has its own text and random numbers.";

/// Whether a row has the answer that is wanted, whatever the way that theta was chosen.
bool has_answer(NeedleCellRow row, const NeedleCellRow& wanted) {
  row.theta_mode = wanted.theta_mode;
  return row.valid && same_keys(row, wanted);
}

/// Whether a row of any range of positions is of the text that is wanted.
bool is_of_text(PerplexityRow row, const PerplexityRow& wanted) {
  row.position_begin = wanted.position_begin;
  row.position_end = wanted.position_end;
  return row.valid && same_keys(row, wanted);
}

/// Adds the answer that the record has under another way to choose theta; returns whether it has it. Collective.
bool copy_answer(RunRecord& record, const NeedleCellRow& wanted) {
  const auto is_it = [&](const NeedleCellRow& row) { return has_answer(row, wanted); };
  if (!record.holds_any<NeedleCellRow>(is_it)) {
    return false;
  }
  record.write([&] {
    NeedleCellRow copy = *std::ranges::find_if(record.rows<NeedleCellRow>(), is_it);
    copy.theta_mode = wanted.theta_mode;
    record.append(copy);
  });
  return true;
}

/// Wraps a model, and records whether its outputs were finite.
NextTokenPredictor watched(NextTokenPredictor model, bool& is_finite) {
  return [model = std::move(model), &is_finite](std::span<const Token> tokens, std::span<const TokenPlace> places) {
    std::vector<NextToken> predictions = model(tokens, places);
    is_finite =
        is_finite && std::ranges::all_of(predictions, [](const NextToken& next) { return std::isfinite(next.nll); });
    return predictions;
  };
}

template <class Row>
void conclude_finite(Row& row, bool is_finite) {
  if (is_finite) {
    conclude(row, Outcome::ok);
  } else {
    conclude(row, Outcome::not_finite, "the model's probabilities are not numbers");
  }
}

/// 0 unless answers are generated freely.
std::int64_t answer_tokens_of(const NeedleOptions& values, const NeedlePoint& point) {
  if (values.decoding != Decoding::open) {
    return 0;
  }
  return values.answer_tokens > 0 ? values.answer_tokens : answer_tokens_of(point.task);
}

NeedleCellRow describe_cell(const NeedlePoint& point, const NeedleOptions& values, const TrainedModel& trained,
                            const Mesh& mesh, const NeedleTrials& source) {
  const Communicator& ring = mesh.along(MeshAxis::sp);
  const CheckpointDescription& of_model = trained.description();
  NeedleCellRow row;
  row.stages = std::string_view(of_model.stages);
  row.stage = of_model.stage;
  row.context_length = point.cell.context_length;
  row.trained_context_length = of_model.context_length;
  row.rope_theta = point.theta;
  row.theta_mode = std::string_view(point.theta_mode);
  row.rope_scaling = std::string_view(point.scaling.word);
  row.kind = point.cell.depth ? "single" : "multi";
  row.depth = point.cell.depth.value_or(std::numeric_limits<double>::quiet_NaN());
  row.needles_planted = point.cell.planted;
  row.needles_asked = point.cell.asked;
  row.contexts = values.trials;
  row.ranks = ring.size();
  row.mesh = std::string_view(mesh.shape().to_string());
  row.set_schedule(values.schedule);
  row.layout = name_of(values.layout);
  row.backend = name_of(values.backend);
  row.dtype = name_of(values.dtype);
  row.decoding = name_of(values.decoding);
  row.needle_template = source.template_name();
  row.task = name_of(point.task);
  row.chat = source.chat_name();
  row.answer_tokens = answer_tokens_of(values, point);
  row.threads = values.threads;
  row.training_seed = of_model.seed;
  row.seed = values.seed;
  row.checkpoint = std::string_view(values.checkpoint);
  row.checkpoint_digest = std::string_view(trained.digest());
  row.haystack = std::string_view(fmt::format("{}", fmt::join(values.haystack, ",")));
  row.haystack_digest = std::string_view(source.haystack_digest());
  return row;
}

/// Counts of a cell, whatever the way in which it is scored.
NeedleScore score_of(const Communicator& world, const NeedlePoint& point, const Decoding decoding,
                     ModelOfLength& models, const Tokenizer& tokenizer, const NeedleTrials& source,
                     const NeedleCellRow& row, const OpenAnswerObserver& tell, bool& is_finite) {
  const std::int64_t per_pass = models.contexts_per_pass(row.context_length, row.contexts);
  const DecoderSource decoder = [&](const PromptShape& shape) -> GreedyDecoder& {
    return models.get_decoder(world, shape, point);
  };
  if (decoding == Decoding::open) {
    const OpenScore score = score_open_cell(
        {.contexts = row.contexts, .contexts_per_pass = per_pass, .answer_tokens = row.answer_tokens},
        [&](std::int64_t trial) { return source.draw_open(point, row.answer_tokens, trial); }, tokenizer, decoder,
        tell);
    return {.contexts = score.contexts, .trials = score.expected, .hits = score.hits};
  }
  const NeedleCellPlan plan{.cell = point.cell, .contexts = row.contexts, .contexts_per_pass = per_pass};
  const TrialSource draw = [&](const NeedleCell& cell, std::int64_t trial) { return source.draw(cell, trial); };
  if (decoding == Decoding::greedy) {
    return generate_needle_cell(plan, draw, tokenizer, decoder);
  }
  return score_needle_cell(plan, draw, tokenizer,
                           watched(models.get(world, row.context_length, point, row.contexts), is_finite));
}

/// Scores a cell into `row`. Memory that does not suffice and numbers that are none make an invalid row.
void score_cell(const Communicator& world, const NeedlePoint& point, const Decoding decoding, ModelOfLength& models,
                const Tokenizer& tokenizer, const NeedleTrials& source, const OpenAnswerObserver& tell,
                NeedleCellRow& row) {
  const double start = now_seconds();
  bool is_finite = true;
  try {
    const NeedleScore score = score_of(world, point, decoding, models, tokenizer, source, row, tell, is_finite);
    const Interval interval = wilson_interval(score.hits, score.trials);
    row.hits = score.hits;
    row.trials = score.trials;
    row.wrong_needle = score.wrong_needle;
    row.wilson_low = interval.low;
    row.wilson_high = interval.high;
    conclude_finite(row, is_finite);
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::out_of_memory || !error.is_collective()) {
      throw;
    }
    conclude(row, outcome_of(error.kind()), error.what());
  }
  row.seconds = world.all_reduce(now_seconds() - start, Reduction::max);
  row.tokens_per_second = static_cast<double>(row.contexts * row.context_length) / row.seconds;
}

std::vector<PerplexityRow> measure_text(const Communicator& world, const NeedlePoint& point,
                                        const PerplexityRow& wanted, ModelOfLength& models, const Tokenizer& tokenizer,
                                        const Haystack& haystack) {
  bool is_finite = true;
  const NextTokenPredictor model = models.get(world, wanted.context_length, point, wanted.contexts);
  std::vector<PerplexityRow> rows;
  for (const PositionRange& range :
       measure_perplexity({.context_length = wanted.context_length,
                           .windows = wanted.contexts,
                           .windows_per_pass = models.contexts_per_pass(wanted.context_length, wanted.contexts),
                           .seed = static_cast<std::uint64_t>(wanted.seed)},
                          tokenizer, haystack, watched(model, is_finite))) {
    PerplexityRow row = wanted;
    row.position_begin = range.begin;
    row.position_end = range.end;
    row.tokens = range.tokens;
    row.nll = range.nll_sum / static_cast<double>(range.tokens);
    row.perplexity = std::exp(row.nll);
    rows.push_back(row);
  }
  for (PerplexityRow& row : rows) {
    conclude_finite(row, is_finite);
  }
  return rows;
}

PerplexityRow describe_text(const NeedleCellRow& cell, const NeedleOptions& values) {
  PerplexityRow row;
  row.stages = cell.stages;
  row.stage = cell.stage;
  row.context_length = cell.context_length;
  row.trained_context_length = cell.trained_context_length;
  row.rope_theta = cell.rope_theta;
  row.theta_mode = cell.theta_mode;
  row.rope_scaling = cell.rope_scaling;
  row.contexts = values.perplexity_windows;
  row.ranks = cell.ranks;
  row.set_schedule(values.schedule);
  row.layout = cell.layout;
  row.mesh = cell.mesh;
  row.backend = cell.backend;
  row.dtype = cell.dtype;
  row.threads = cell.threads;
  row.training_seed = cell.training_seed;
  row.seed = cell.seed;
  row.checkpoint = cell.checkpoint;
  row.checkpoint_digest = cell.checkpoint_digest;
  row.haystack = cell.haystack;
  row.haystack_digest = cell.haystack_digest;
  return row;
}

std::string name_of_cell(const NeedleCellRow& row) {
  const std::string place = std::isnan(row.depth) ? "anywhere" : fmt::format("depth {:.3g}", row.depth);
  const std::string task = row.task.view() == name_of(RecallTask::lwm) ? "" : fmt::format("{} ", row.task.view());
  const std::string scaling =
      row.rope_scaling.view() == RopeScalingChoice{}.word ? "" : fmt::format(" scaling {}", row.rope_scaling.view());
  return fmt::format("S={} {}{}/{} {} theta {:g}{}", row.context_length, task, row.needles_planted, row.needles_asked,
                     place, row.rope_theta, scaling);
}

std::string describe_result(const NeedleCellRow& row) {
  const std::string name = name_of_cell(row);
  if (!row.valid) {
    return fmt::format("{}: {}", name, row.reason.view());
  }
  return fmt::format("{}: {}/{} right ({:.2f} to {:.2f}), {}s", name, row.hits, row.trials, row.wilson_low,
                     row.wilson_high, with_si_prefix(row.seconds));
}

FigureOfMerit figure_of(const NeedleCellRow& row) {
  const auto whole = [](std::int64_t value) { return fmt::format("{}", value); };
  return {.name = "needle_accuracy",
          .value = static_cast<double>(row.hits) / static_cast<double>(std::max<std::int64_t>(row.trials, 1)),
          .unit = "1",
          .keys = {{"task", std::string(row.task.view())},
                   {"context_length", whole(row.context_length)},
                   {"depth", fmt::format("{:g}", row.depth)},
                   {"needles", fmt::format("{}/{}", row.needles_planted, row.needles_asked)},
                   {"theta", std::string(row.theta_mode.view())},
                   {"scaling", std::string(row.rope_scaling.view())},
                   {"ranks", whole(row.ranks)},
                   {"trials", whole(row.trials)},
                   {"tokens_per_second", fmt::format("{:.6g}", row.tokens_per_second)}},
          .is_valid = row.valid};
}

void print_summary(RunRecord& record, const std::string& output, bool is_csv) {
  constexpr std::array<std::string_view, 13> columns{
      "task",          "context_length", "theta_mode", "rope_theta", "rope_scaling", "depth",       "needles_planted",
      "needles_asked", "hits",           "trials",     "wilson_low", "wilson_high",  "wrong_needle"};
  fmt::print("{}", text_table(std::span<const NeedleCellRow>(record.rows<NeedleCellRow>()), columns, is_csv));
  if (!record.rows<PerplexityRow>().empty()) {
    constexpr std::array<std::string_view, 7> text_columns{
        "context_length", "theta_mode", "rope_scaling", "position_begin", "position_end", "nll", "perplexity"};
    fmt::print("{}", text_table(std::span<const PerplexityRow>(record.rows<PerplexityRow>()), text_columns, is_csv));
  }
  fmt::print("{} cells, {} valid -> {}\n", record.rows<NeedleCellRow>().size(),
             std::ranges::count_if(record.rows<NeedleCellRow>(), &NeedleCellRow::valid), output);
  std::fflush(stdout);
}

/// What the time of each cell depends on: FLOP of the forward pass over its contexts.
std::vector<double> work_of(const std::vector<NeedlePoint>& points, const ModelConfig& config) {
  std::vector<double> work;
  for (const NeedlePoint& point : points) {
    const std::int64_t length = point.cell.context_length;
    work.push_back(static_cast<double>(length) * forward_flop_per_token(config, length, true, 0.0));
  }
  return work;
}

/// Everything that can be known to be wrong before the first pass.
void check_points(const NeedleOptions& values, const NeedleTrials& source, const ModelConfig& config, const Mesh& mesh,
                  const std::vector<NeedlePoint>& points) {
  if (values.decoding != Decoding::one_pass) {
    require_input(values.perplexity_windows == 0,
                  "--decoding greedy and open generate answers only; ask for --perplexity-windows with one_pass");
  }
  require_input(!values.output.empty(), "--output is empty");
  require_input(mesh.shape()[MeshAxis::dp] == 1 && mesh.shape()[MeshAxis::fsdp] == 1,
                fmt::format("--mesh {}: an evaluation splits sequences, not batches: dp and fsdp must be 1",
                            mesh.shape().to_string()));
  for (const NeedlePoint& point : points) {
    require_within_window(config, point.cell.context_length);
    if (values.decoding == Decoding::open) {
      (void)source.draw_open(point, answer_tokens_of(values, point), 0);
    } else {
      (void)source.draw(point.cell, 0);
    }
  }
}

}  // namespace

int run_needle(const Job& job) {
  NeedleOptions values;
  Options options("needle", description);
  declare(options, values);
  if (!parse_options(job, options)) {
    return 0;
  }
  const Communicator& world = job.world;
  std::vector<JobFile> reads = job_files("--haystack", haystack_files(values.haystack));
  std::ranges::move(job_files("--checkpoint", files_of_weights(values.checkpoint)), std::back_inserter(reads));
  const JobFiles files(
      job, std::move(reads),
      {{.flag = "--output", .path = values.output}, {.flag = "--transcript", .path = values.transcript}});
  static_cast<void>(warn_of_shared_cpus(world, values.threads));
  MeshShape shape;
  on_every_rank(world, [&] {
    require_input(!values.checkpoint.empty(),
                  "--checkpoint is missing: the file that ringworld train wrote, or a Hugging Face folder");
    shape = parse_mesh(values.mesh, world.size());
  });
  const Mesh mesh(world, shape);
  const TrainedModel trained(world, mesh, values.checkpoint, values);
  std::optional<NeedleTrials> source;
  std::vector<NeedlePoint> points;
  on_every_rank(world, [&] {
    source.emplace(values, trained);
    points = make_needle_points(values, {.context_length = trained.description().context_length,
                                         .rope_theta = trained.description().rope_theta,
                                         .head_size = trained.parameters().config().head_size});
    check_points(values, *source, trained.parameters().config(), mesh, points);
  });
  if (world.is_root() && !source->warning().empty()) {
    log_warning(source->warning());
  }
  RunRecord record(job, {.output = values.output,
                         .is_resumed = values.resume,
                         .retries_failed = values.retry_failed,
                         .configuration = options.to_toml(),
                         .seeds = {values.seed}});

  std::optional<Transcript> transcript;
  on_root(world, [&] {
    if (!values.transcript.empty()) {
      transcript.emplace(values.transcript);
    }
  });

  ModelOfLength models(values, trained);
  SweepProgress progress(work_of(points, trained.parameters().config()), world.is_root());
  bool is_stopped = false;
  for (std::size_t index = 0; index < points.size(); ++index) {
    is_stopped = is_stop_wanted(world);
    if (is_stopped) {
      break;
    }
    const NeedlePoint& point = points[index];
    NeedleCellRow row = describe_cell(point, values, trained, mesh, *source);
    const Phase phase = Phase::named(name_of_cell(row));
    if (record.holds(row) || copy_answer(record, row)) {
      progress.skip();
    } else {
      progress.begin();
      {
        const LastWords words([&record, cut = row](const std::string& reason) mutable {
          conclude(cut, Outcome::interrupted, reason);
          record.add_last_words(cut);
        });
        const auto tell = [&](const OpenAnswer& answer) {
          on_root(world, [&] {
            if (transcript.has_value()) {
              transcript->add(row, name_of_cell(row), answer, trained.tokenizer());
            }
          });
        };
        score_cell(world, point, values.decoding, models, trained.tokenizer(), *source, tell, row);
      }
      record.add(row);
      progress.advance(describe_result(row));
    }
    // Text is measured once a model, after its last cell.
    const bool is_last = index + 1 == points.size() || points[index + 1].theta_mode != point.theta_mode ||
                         points[index + 1].theta != point.theta || points[index + 1].scaling != point.scaling ||
                         points[index + 1].cell.context_length != point.cell.context_length;
    const PerplexityRow text = describe_text(row, values);
    const auto is_this_text = [&](const PerplexityRow& other) { return is_of_text(other, text); };
    if (values.perplexity_windows > 0 && is_last && !record.holds_any<PerplexityRow>(is_this_text)) {
      const std::vector<PerplexityRow> rows =
          measure_text(world, point, text, models, trained.tokenizer(), source->haystack());
      record.write([&] { std::ranges::for_each(rows, [&](const PerplexityRow& range) { record.append(range); }); });
    }
  }
  record.finish();
  PointVerdicts verdicts;
  on_root(world, [&] {
    std::vector<FigureOfMerit> figures;
    for (const NeedlePoint& point : points) {
      const NeedleCellRow* const row = record.find(describe_cell(point, values, trained, mesh, *source));
      verdicts.count(row == nullptr ? Outcome::interrupted : outcome_of(*row));
      if (row != nullptr) {
        figures.push_back(figure_of(*row));
      }
    }
    print_summary(record, values.output, values.csv);
    print_figures(figures);
    verdicts.print_advice();
  });
  if (is_stopped) {
    return stopped_early(
        job, fmt::format("the cells that are left are not measured; --resume goes on in {}", values.output));
  }
  return verdicts.exit_code(world);
}

}  // namespace ringworld
