/// @file  `ringworld needle`: a checkpoint, asked for needles over context lengths and depths.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>

#include "comm/environment.hpp"
#include "core/log.hpp"
#include "eval/needle_generation.hpp"
#include "eval/next_token_model.hpp"
#include "eval/perplexity.hpp"
#include "eval/wilson_interval.hpp"
#include "experiments/common/job.hpp"
#include "experiments/common/names.hpp"
#include "experiments/common/progress.hpp"
#include "experiments/needle/config.hpp"
#include "experiments/needle/needle_source.hpp"
#include "io/console_table.hpp"
#include "io/evaluation_rows.hpp"
#include "io/provenance.hpp"
#include "io/record_file.hpp"
#include "perf/clock.hpp"

namespace ringworld {
namespace {

constexpr const char* description =
    "Plants facts in held-out text and asks a trained model for them. Scores exact greedy answers over context "
    "lengths,\n"
    "depths and numbers of needles, with 95 % Wilson intervals. Each cell has its own text and random numbers.";

/// Whether two rows have the same answer, whatever the way that theta was chosen: the second need not be measured.
bool has_same_result(const NeedleCellRow& a, const NeedleCellRow& b) {
  const bool is_same_depth = a.depth == b.depth || (std::isnan(a.depth) && std::isnan(b.depth));
  return is_same_depth && a.checkpoint_digest == b.checkpoint_digest && a.context_length == b.context_length &&
         a.rope_theta == b.rope_theta && a.needles_planted == b.needles_planted && a.needles_asked == b.needles_asked &&
         a.contexts == b.contexts && a.seed == b.seed && a.layout == b.layout && a.backend == b.backend &&
         a.dtype == b.dtype && a.decoding == b.decoding;
}

bool is_same_text(const PerplexityRow& a, const PerplexityRow& b) {
  return a.checkpoint_digest == b.checkpoint_digest && a.context_length == b.context_length &&
         a.rope_theta == b.rope_theta && a.theta_mode == b.theta_mode && a.contexts == b.contexts && a.seed == b.seed &&
         a.layout == b.layout && a.backend == b.backend;
}

/// The record, on the root; the other ranks hold none.
class NeedleRecord {
 public:
  NeedleRecord(const NeedleOptions& values, const RunDescription& run)
      : record_(values.resume && std::filesystem::exists(values.output) ? RecordFile::resume(values.output)
                                                                        : RecordFile::create(values.output)),
        run_(count_runs(record_)),
        group_(begin_provenance(record_, run)),
        cells_(record_.read<NeedleCellRow>()),
        texts_(record_.read<PerplexityRow>()) {
    if (record_.backup().has_value()) {
      log_info(fmt::format("{} existed and is now {}", values.output, record_.backup()->string()));
    }
    record_.commit();
  }

  /// Whether the record holds the cell; if it holds the same one under another way to choose theta, that is copied.
  [[nodiscard]] bool holds(const NeedleCellRow& wanted) {
    const auto is_it = [&](const NeedleCellRow& row) { return row.valid && has_same_result(row, wanted); };
    const auto same = std::ranges::find_if(cells_, is_it);
    if (same == cells_.end()) {
      return false;
    }
    if (std::ranges::none_of(cells_,
                             [&](const auto& row) { return is_it(row) && row.theta_mode == wanted.theta_mode; })) {
      NeedleCellRow copy = *same;
      copy.theta_mode = wanted.theta_mode;
      add(copy);
    }
    return true;
  }
  [[nodiscard]] bool holds(const PerplexityRow& wanted) const {
    return std::ranges::any_of(texts_, [&](const auto& row) { return row.valid && is_same_text(row, wanted); });
  }

  void add(NeedleCellRow row) {
    row.run = run_;
    record_.append(row);
    record_.commit();
    cells_.push_back(row);
  }
  void add(std::vector<PerplexityRow> rows) {
    for (PerplexityRow& row : rows) {
      row.run = run_;
      texts_.push_back(row);
    }
    record_.append_all(std::span<const PerplexityRow>(rows));
    record_.commit();
  }
  void finish() {
    end_provenance(record_, group_);
    record_.commit();
  }

  [[nodiscard]] const std::vector<NeedleCellRow>& cells() const { return cells_; }
  [[nodiscard]] const std::vector<PerplexityRow>& texts() const { return texts_; }

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
  std::vector<NeedleCellRow> cells_;
  std::vector<PerplexityRow> texts_;
};

/// Makes models and decoders as cells need them; cells of one length and theta share one.
class ModelOfLength {
 public:
  ModelOfLength(const NeedleOptions& values, const TrainedModel& trained) : values_(values), trained_(trained) {}

  [[nodiscard]] std::int64_t contexts_per_pass(std::int64_t context_length, std::int64_t contexts) const {
    return std::clamp<std::int64_t>(values_.tokens_per_pass / context_length, 1, contexts);
  }

  /// Collective over the job. @throws Error(out_of_memory), Error(bad_input), on every rank.
  NextTokenModel get(const Communicator& world, std::int64_t context_length, double theta, std::int64_t contexts) {
    const std::int64_t batch = contexts_per_pass(context_length, contexts);
    const PromptShape shape{.batch = batch, .prompt_length = context_length, .new_tokens = 0};
    if (!model_ || shape != shape_ || theta != theta_) {
      forget();
      on_every_rank(world, [&] {
        model_.emplace(trained_.parameters(),
                       ModelOptions{.batch = batch,
                                    .context_length = context_length,
                                    .layout = parse_layout(values_.layout),
                                    .dtype = parse_dtype(values_.dtype),
                                    .wire_dtype = parse_dtype(values_.dtype),
                                    .backend = parse_backend(values_.backend),
                                    .threads = values_.threads,
                                    .is_forward_only = true},
                       theta);
      });
      shape_ = shape;
      theta_ = theta;
    }
    return model_->function();
  }

  /// The same for generation.
  GreedyDecoder& get_decoder(const Communicator& world, const PromptShape& shape, double theta) {
    if (!decoder_ || shape != shape_ || theta != theta_) {
      forget();
      on_every_rank(world, [&] {
        decoder_.emplace(trained_.parameters(), GreedyDecoderOptions{.batch = shape.batch,
                                                                     .prompt_length = shape.prompt_length,
                                                                     .new_tokens = shape.new_tokens,
                                                                     .layout = parse_layout(values_.layout),
                                                                     .rope_theta = theta,
                                                                     .backend = parse_backend(values_.backend),
                                                                     .threads = static_cast<int>(values_.threads)});
      });
      shape_ = shape;
      theta_ = theta;
    }
    return *decoder_;
  }

 private:
  void forget() {
    model_.reset();
    decoder_.reset();
  }

  const NeedleOptions& values_;
  const TrainedModel& trained_;
  std::optional<RingNextTokenModel> model_;
  std::optional<GreedyDecoder> decoder_;
  PromptShape shape_;
  double theta_ = 0;
};

/// Passes a model on, and remembers whether what it said was a number.
NextTokenModel watched(NextTokenModel model, bool& is_finite) {
  return [model = std::move(model), &is_finite](std::span<const Token> tokens, std::span<const TokenPlace> places) {
    std::vector<NextToken> said = model(tokens, places);
    is_finite = is_finite && std::ranges::all_of(said, [](const NextToken& next) { return std::isfinite(next.nll); });
    return said;
  };
}

constexpr const char* not_finite = "the model's probabilities are not numbers";

NeedleCellRow describe_cell(const NeedlePoint& point, const NeedleOptions& values, const TrainedModel& trained,
                            const Communicator& ring) {
  const CheckpointDescription& of_model = trained.description();
  NeedleCellRow row;
  row.schedule = std::string_view(of_model.schedule);
  row.stage = of_model.stage;
  row.context_length = point.cell.context_length;
  row.trained_context_length = of_model.context_length;
  row.rope_theta = point.theta;
  row.theta_mode = std::string_view(point.theta_mode);
  row.kind = point.cell.depth ? "single" : "multi";
  row.depth = point.cell.depth.value_or(std::numeric_limits<double>::quiet_NaN());
  row.needles_planted = point.cell.planted;
  row.needles_asked = point.cell.asked;
  row.contexts = values.trials;
  row.ranks = ring.size();
  row.layout = std::string_view(values.layout);
  row.backend = std::string_view(values.backend);
  row.dtype = std::string_view(values.dtype);
  row.decoding = std::string_view(values.decoding);
  row.training_seed = of_model.seed;
  row.seed = values.seed;
  row.checkpoint = std::string_view(values.checkpoint);
  row.checkpoint_digest = std::string_view(trained.digest());
  return row;
}

/// Scores a cell into `row`. Memory that does not suffice and numbers that are none make an invalid row.
void score_cell(const Communicator& world, const NeedlePoint& point, const Decoding decoding, ModelOfLength& models,
                const Tokenizer& tokenizer, const NeedleSource& source, NeedleCellRow& row) {
  const double start = now_seconds();
  bool is_finite = true;
  const NeedleCellPlan plan{.cell = point.cell,
                            .contexts = row.contexts,
                            .contexts_per_pass = models.contexts_per_pass(row.context_length, row.contexts)};
  const TrialSource draw = [&](const NeedleCell& cell, std::int64_t trial) { return source.draw(cell, trial); };
  const DecoderSource decoder = [&](const PromptShape& shape) -> GreedyDecoder& {
    return models.get_decoder(world, shape, row.rope_theta);
  };
  try {
    const NeedleScore score =
        decoding == Decoding::greedy
            ? generate_needle_cell(plan, draw, tokenizer, decoder)
            : score_needle_cell(
                  plan, draw, tokenizer,
                  watched(models.get(world, row.context_length, row.rope_theta, row.contexts), is_finite));
    const Interval interval = wilson_interval(score.hits, score.trials);
    row.hits = score.hits;
    row.trials = score.trials;
    row.wrong_needle = score.wrong_needle;
    row.wilson_low = interval.low;
    row.wilson_high = interval.high;
    row.valid = is_finite;
    row.reason = is_finite ? "" : not_finite;
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::out_of_memory || !error.is_collective()) {
      throw;
    }
    row.reason = std::string_view(error.what());
  }
  row.seconds = world.all_reduce(now_seconds() - start, Reduction::max);
  row.tokens_per_second = static_cast<double>(row.contexts * row.context_length) / row.seconds;
}

std::vector<PerplexityRow> measure_text(const Communicator& world, const PerplexityRow& wanted, ModelOfLength& models,
                                        const Tokenizer& tokenizer, const Haystack& haystack) {
  bool is_finite = true;
  const NextTokenModel model = models.get(world, wanted.context_length, wanted.rope_theta, wanted.contexts);
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
    row.valid = is_finite;
    row.reason = is_finite ? "" : not_finite;
  }
  return rows;
}

PerplexityRow describe_text(const NeedleCellRow& cell, const NeedleOptions& values) {
  PerplexityRow row;
  row.schedule = cell.schedule;
  row.stage = cell.stage;
  row.context_length = cell.context_length;
  row.trained_context_length = cell.trained_context_length;
  row.rope_theta = cell.rope_theta;
  row.theta_mode = cell.theta_mode;
  row.contexts = values.perplexity_windows;
  row.ranks = cell.ranks;
  row.layout = cell.layout;
  row.backend = cell.backend;
  row.training_seed = cell.training_seed;
  row.seed = cell.seed;
  row.checkpoint = cell.checkpoint;
  row.checkpoint_digest = cell.checkpoint_digest;
  return row;
}

std::string describe_result(const NeedleCellRow& row) {
  const std::string place = std::isnan(row.depth) ? "anywhere" : fmt::format("depth {:.3g}", row.depth);
  const std::string name = fmt::format("S={} {}/{} {} theta {:g}", row.context_length, row.needles_planted,
                                       row.needles_asked, place, row.rope_theta);
  if (!row.valid) {
    return fmt::format("{}: {}", name, row.reason.view());
  }
  return fmt::format("{}: {}/{} right ({:.2f} to {:.2f}), {}s", name, row.hits, row.trials, row.wilson_low,
                     row.wilson_high, with_si_prefix(row.seconds));
}

void print_summary(const NeedleRecord& record, const std::string& output) {
  constexpr std::array<std::string_view, 11> columns{"context_length",  "theta_mode",    "rope_theta",  "depth",
                                                     "needles_planted", "needles_asked", "hits",        "trials",
                                                     "wilson_low",      "wilson_high",   "wrong_needle"};
  fmt::print("{}", console_table(std::span<const NeedleCellRow>(record.cells()), columns));
  if (!record.texts().empty()) {
    constexpr std::array<std::string_view, 6> text_columns{"context_length", "theta_mode", "position_begin",
                                                           "position_end",   "nll",        "perplexity"};
    fmt::print("{}", console_table(std::span<const PerplexityRow>(record.texts()), text_columns));
  }
  fmt::print("{} cells, {} valid -> {}\n", record.cells().size(),
             std::ranges::count_if(record.cells(), &NeedleCellRow::valid), output);
  std::fflush(stdout);
}

/// Everything that can be known to be wrong before the first pass.
void check_points(const NeedleOptions& values, const NeedleSource& source, const Mesh& mesh,
                  const std::vector<NeedlePoint>& points) {
  (void)parse_layout(values.layout);
  const DType dtype = parse_dtype(values.dtype);
  if (parse_decoding(values.decoding) == Decoding::greedy) {
    require_input(dtype == DType::float32, "--decoding greedy runs in float32; leave --dtype as it is");
    require_input(values.perplexity_windows == 0,
                  "--decoding greedy generates answers only; ask for --perplexity-windows with one_pass");
  }
  require_input(!values.output.empty(), "--output is empty");
  require_input(mesh.shape()[MeshAxis::dp] == 1 && mesh.shape()[MeshAxis::fsdp] == 1,
                fmt::format("--mesh {}: an evaluation splits sequences, not batches: dp and fsdp must be 1",
                            mesh.shape().to_string()));
  const std::int64_t ranks = mesh.shape()[MeshAxis::sp];
  for (const NeedlePoint& point : points) {
    require_input(point.cell.context_length % ranks == 0,
                  fmt::format("--context-length {} is not divisible by the {} ranks of the ring",
                              point.cell.context_length, ranks));
    (void)source.draw(point.cell, 0);
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
  MeshShape shape;
  Backend backend = Backend::host;
  RankRow mine;
  on_every_rank(world, [&] {
    require_input(!values.checkpoint.empty(), "--checkpoint is missing: the file that ringworld train wrote");
    shape = parse_mesh(values.mesh, world.size());
    backend = parse_backend(values.backend);
    mine = describe_this_process(world.rank());
  });
  const Mesh mesh(world, shape);
  const TrainedModel trained(world, mesh, values.checkpoint, backend);
  std::optional<NeedleSource> source;
  std::vector<NeedlePoint> points;
  Decoding decoding = Decoding::one_pass;
  on_every_rank(world, [&] {
    source.emplace(values, trained);
    points = make_needle_points(values, {.context_length = trained.description().context_length,
                                         .rope_theta = trained.description().rope_theta});
    decoding = parse_decoding(values.decoding);
    check_points(values, *source, mesh, points);
  });
  const RunDescription run{.arguments = job.command_line,
                           .configuration = options.to_toml(),
                           .seeds = {values.seed},
                           .ranks = world.all_gather(mine),
                           .extra = {{"mpi_library", Environment::library_version()}}};
  std::optional<NeedleRecord> record;
  on_root(world, [&] { record.emplace(values, run); });

  const Communicator& ring = mesh.along(MeshAxis::sp);
  ModelOfLength models(values, trained);
  SweepProgress progress(static_cast<std::int64_t>(points.size()), world.is_root());
  const auto is_done = [&](const auto& row) {
    std::int64_t found = 0;
    on_root(world, [&] { found = record->holds(row) ? 1 : 0; });
    return world.all_reduce(found, Reduction::max) == 1;
  };
  std::int64_t invalid = 0;
  for (std::size_t index = 0; index < points.size(); ++index) {
    const NeedlePoint& point = points[index];
    NeedleCellRow row = describe_cell(point, values, trained, ring);
    if (is_done(row)) {
      progress.skip();
    } else {
      score_cell(world, point, decoding, models, trained.tokenizer(), *source, row);
      invalid += row.valid ? 0 : 1;
      on_root(world, [&] { record->add(row); });
      progress.advance(describe_result(row));
    }
    // Text is measured once a model, after its last cell.
    const bool is_last = index + 1 == points.size() || points[index + 1].theta_mode != point.theta_mode ||
                         points[index + 1].theta != point.theta ||
                         points[index + 1].cell.context_length != point.cell.context_length;
    const PerplexityRow text = describe_text(row, values);
    if (values.perplexity_windows > 0 && is_last && !is_done(text)) {
      std::vector<PerplexityRow> rows = measure_text(world, text, models, trained.tokenizer(), source->haystack());
      on_root(world, [&] { record->add(std::move(rows)); });
    }
  }
  on_root(world, [&] {
    record->finish();
    print_summary(*record, values.output);
  });
  return invalid == 0 ? 0 : 1;
}

}  // namespace ringworld
