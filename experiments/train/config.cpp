#include "experiments/train/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>

#include "core/error.hpp"
#include "core/spelling.hpp"
#include "experiments/common/configuration_files.hpp"
#include "experiments/common/named_corpus.hpp"
#include "experiments/common/names.hpp"
#include "experiments/common/toml_table.hpp"
#include "experiments/train/optimizer_keys.hpp"
#include "tasks/tasks.hpp"

namespace ringworld {
namespace {

template <class Enumeration, std::size_t N>
Enumeration parse_name(std::string_view what, std::string_view name, const std::array<std::string_view, N>& names) {
  const auto* const found = std::ranges::find(names, name);
  if (found == names.end()) {
    throw_unknown_name(what, name, names);
  }
  return static_cast<Enumeration>(found - names.begin());
}

void read_model(TomlTable table, TrainOptions& values) {
  values.has_model = true;
  std::string preset = "debug";
  std::string pairing;
  std::string precision;
  std::string initialization;
  if (table.read("preset", preset) || values.files.empty()) {
    values.model = model_preset(preset);
  }
  ModelConfig& model = values.model;
  const bool has_head_size = table.read("head_size", model.head_size);
  table.read("hidden_size", model.hidden_size);
  table.read("ffn_size", model.ffn_size);
  table.read("layers", model.layers);
  const bool has_heads = table.read("heads", model.heads);
  if (!table.read("kv_heads", model.kv_heads) && has_heads) {
    model.kv_heads = model.heads;
  }
  if (!has_head_size && model.heads > 0) {
    model.head_size = model.hidden_size / model.heads;
  }
  std::int64_t vocab_size = 0;
  std::string vocabulary;
  values.has_vocab_size = table.read("vocab_size", vocab_size);
  if (values.has_vocab_size) {
    model.vocabulary = vocab_size;
  }
  if (table.read("vocabulary", vocabulary)) {
    require_input(!values.has_vocab_size,
                  fmt::format("{}: give vocab_size or vocabulary, one of them", table.source()));
    model.vocabulary = Vocabulary::parse(vocabulary);
    values.has_vocab_size = true;
  }
  table.read("rms_norm_eps", model.rms_norm_eps);
  table.read("is_head_tied", model.is_head_tied);
  table.read("has_attention_bias", model.has_attention_bias);
  table.read("has_query_key_norm", model.has_query_key_norm);
  table.read("initializer_range", model.initializer_range);
  if (table.read("rope_pairing", pairing)) {
    model.rope_pairing = parse_name<RopePairing>("rope_pairing", pairing, rope_pairing_names);
  }
  if (table.read("rope_precision", precision)) {
    constexpr std::array<std::string_view, 2> names{"float32", "float64"};
    model.rope_precision = parse_name<AnglePrecision>("rope_precision", precision, names);
  }
  if (table.read("initialization", initialization)) {
    values.initialization.kind = parse_initialization(initialization);
  }
  table.read("positional_offsets", values.initialization.offsets);
  table.require_all_known();
}

void read_data(TomlTable table, DataOptions& data) {
  table.read("haystack", data.haystack);
  table.read("tokenizer", data.tokenizer);
  table.read("frequent_words", data.frequent_words);
  table.read("frame_tokenizer", data.frame_tokenizer);
  table.read("codes_per_frame", data.codes_per_frame);
  table.read("codebook_size", data.codebook_size);
  table.read("cards", data.cards);
  table.read("card_variants", data.card_variants);
  table.require_all_known();
}

void read_optimizer(TomlTable table, AdamWSettings& settings) {
  read_optimizer_keys(table, settings);
  table.read("decays_all", settings.decays_all);
  table.require_all_known();
}

/// Reads a task's keys from its table.
class TaskKeyReader final : public TaskKeys {
 public:
  explicit TaskKeyReader(TomlTable& table) : table_(table) {}

  void visit(std::string_view key, bool& value) override { table_.read(std::string(key), value); }
  void visit(std::string_view key, std::int64_t& value) override { table_.read(std::string(key), value); }
  void visit(std::string_view key, double& value) override { table_.read(std::string(key), value); }
  void visit(std::string_view key, std::string& value) override { table_.read(std::string(key), value); }

 private:
  TomlTable& table_;
};

std::shared_ptr<Task> read_task(TomlTable table) {
  std::string kind = "text";
  table.read("kind", kind);
  try {
    std::shared_ptr<Task> task = make_task(kind);
    TaskKeyReader reader(table);
    task->visit_keys(reader);
    table.require_all_known();
    return task;
  } catch (const Error& error) {
    const std::string_view message = error.what();
    throw Error(
        error.kind(),
        message.starts_with(table.source()) ? std::string(message) : fmt::format("{}: {}", table.source(), message),
        error.where());
  }
}

StageOptions read_stage(TomlTable table) {
  StageOptions options;
  Stage& stage = options.stage;
  LearningRateSchedule& rate = stage.learning_rate;
  std::string shape = "constant";
  std::string optimizer_state = "fresh";
  const bool has_context_length = table.read("context_length", stage.context_length);
  const bool has_theta = table.read("rope_theta", stage.rope_theta);
  const bool has_steps = table.read("steps", stage.steps);
  const bool has_tokens = table.read("tokens", options.tokens);
  table.read("batch", stage.batch);
  table.read("micro_batch", stage.micro_batch);
  table.read("mesh", options.mesh);
  const bool has_rate = table.read("learning_rate", rate.peak);
  table.read("min_learning_rate", rate.minimum);
  table.read("warmup", options.warmup);
  table.read("decay", shape);
  table.read("hold", rate.hold);
  table.read("optimizer_state", optimizer_state);
  table.read("stop_when_accuracy", stage.stop_when_accuracy);
  const auto* const data = table.table("data");
  table.require_all_known();  // first: a key that seems to be missing may be misspelt
  const auto require_key = [&](bool is_there, std::string_view key) {
    require_input(is_there, fmt::format("{}: {} is missing", table.source(), key));
  };
  require_key(has_context_length, "context_length");
  require_key(has_theta, "rope_theta");
  require_key(has_rate, "learning_rate");
  require_input(has_steps != has_tokens, fmt::format("{}: give steps or tokens, one of them", table.source()));

  constexpr std::array<std::string_view, 2> states{"fresh", "carried"};
  rate.shape = parse_decay_shape(shape);
  stage.carries_optimizer = parse_name<int>("optimizer_state", optimizer_state, states) == 1;
  stage.task = data == nullptr ? make_task("text") : read_task({*data, table.source() + ": [stage.data]"});
  return options;
}

Stage make_stage(const StageOptions& options, const TrainOptions& values, std::int64_t ranks) {
  Stage stage = options.stage;
  if (values.context_length > 0) {
    stage.context_length = values.context_length;
  }
  if (values.batch > 0) {
    stage.batch = values.batch;
  }
  stage.mesh = parse_mesh(values.mesh.empty() ? options.mesh : values.mesh, ranks);
  if (options.tokens > 0 && stage.tokens_per_step() > 0) {
    stage.steps = std::max<std::int64_t>(1, (options.tokens + stage.tokens_per_step() / 2) / stage.tokens_per_step());
  }
  require_input(options.warmup >= 0, fmt::format("warmup is {}; give 0 or more steps, or a share", options.warmup));
  stage.learning_rate.warmup_steps = warmup_steps_of(options.warmup, stage.steps);
  stage.learning_rate.steps = stage.steps;
  return stage;
}

}  // namespace

std::int64_t warmup_steps_of(double warmup, std::int64_t steps) {
  return std::llround(warmup < 1 ? warmup * static_cast<double>(steps) : warmup);
}

void declare(Options& options, TrainOptions& values) {
  options.begin_group("What is trained");
  options.add("config", values.config, "", "TOML file with [model], [data], [optimizer] and [[stage]] tables");
  options.add("stages", values.stages_name, "", "name of the list of stages in the record");
  options.add("seed", values.seed, "", "seed of the weights and of the data");
  options.add("weights", values.weights, "",
              "weights to start from, and their model: a Hugging Face folder, safetensors, GGUF or an HDF5 file; "
              "tokenizer = \"weights\" in [data] takes their tokenizer");
  options.begin_group("Checkpoints");
  options.add(
      "checkpoint", values.checkpoint, "",
      "HDF5 file of parameters, moments and progress; an existing one is renamed, unless --resume goes on from it");
  options.add("checkpoint-steps", values.checkpoint_steps, "step", "also write it every so many steps; 0 = no");
  options.add("checkpoint-seconds", values.checkpoint_seconds, "s", "also write it after this time; 0 = no");
  options.begin_group("What is trained");
  options.add("frame-tokenizer", values.data.frame_tokenizer, "",
              "checkpoint of the VQGAN whose codes stand for frames, in place of the file's");
  options.begin_group("Checkpoints");
  options.add("keep-stages", values.keep_stages, "", "keep the checkpoint of each stage, as <checkpoint>-stage-<n>");
  declare(options, values, {RunFlag::output});
  options.add("resume", values.resume, "", "go on from --checkpoint, if it is there");
  declare(options, values,
          {RunFlag::schedule, RunFlag::layout, RunFlag::dtype, RunFlag::wire_dtype, RunFlag::backend,
           RunFlag::transport, RunFlag::threads});
  options.begin_group(help_group::ranks_and_kernels);
  options.add("recomputation", values.recomputation, "", "what backward computes again");
  options.begin_group("Plans and simulations");
  options.add("rates", values.rates, "",
              "of backend simulated: a TOML file of measured rates, or the FLOP/s of every kernel");
  options.add("layers-simulated", values.layers_simulated, "",
              "of backend simulated: two numbers of layers, from whose steps that of all layers is extrapolated; 0 = "
              "simulate all");
  options.add("dry-run", values.dry_run, "", "print parameters, memory per rank and FLOP per step; train nothing");
  options.add("ranks", values.ranks, "rank", "plan for so many ranks (with --dry-run); 0 = those of the job");
  options.add("memory-per-rank", values.memory_per_rank, "B", "refuse stages that need more (1G = 2^30); 0 = no limit");
  options.begin_group("In place of what the file says");
  options.add("preset", values.preset, "", "model in place of the file's: debug 200m 1b 3b 7b 13b 30b 65b needle");
  options.add("mesh", values.mesh, "", "dp,fsdp,tp,sp of every stage, in place of the file's; one may be -1");
  options.add("context-length", values.context_length, "token", "of every stage, in place of the file's; 0 = as there");
  options.add("batch", values.batch, "", "sequences a step of every stage, in place of the file's; 0 = as there");
  options.add("stage-count", values.stage_count, "", "only the first so many stages; 0 = all");
  options.add_example("mpirun -n 2 ringworld train --config needle.toml --checkpoint model.h5 --checkpoint-seconds 600",
                      "trains all stages, each from the last, and can be gone on with: --resume");
  options.add_example("ringworld train --config lwm_text.toml --ranks 1024 --dry-run",
                      "parameters, memory a rank and FLOP a step of another machine");
}

TrainOptions read_train_config(const std::string& path, std::int64_t depth) {
  constexpr std::int64_t most_files = 8;
  require_input(depth < most_files, fmt::format("{}: extends goes through {} files; is it a circle?", path, depth));
  const toml::table file = parse_toml_file(path);
  TomlTable table(file, path);
  TrainOptions values;
  values.model = model_preset("debug");
  if (std::string base; table.read("extends", base)) {
    values = read_train_config((std::filesystem::path(path).parent_path() / base).string(), depth + 1);
  }
  values.config = path;
  table.read("stages", values.stages_name);
  table.read("seed", values.seed);
  table.read("weights", values.weights);
  table.read("checkpoint", values.checkpoint);
  table.read("checkpoint_steps", values.checkpoint_steps);
  table.read("checkpoint_seconds", values.checkpoint_seconds);
  table.read("keep_stages", values.keep_stages);
  table.read("output", values.output);
  try {
    table.read("schedule", values.schedule.kind);
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("{} (the name of the list of stages is the key 'stages')", error.what()));
  }
  table.read("ulysses", values.schedule.ulysses);
  table.read("window", values.schedule.window);
  table.read("head_groups", values.schedule.head_groups);
  table.read("trim", values.schedule.is_trimmed);
  table.read("layout", values.layout);
  table.read("dtype", values.dtype);
  table.read("wire_dtype", values.wire_dtype);
  table.read("transport", values.transport);
  table.read("backend", values.backend);
  table.read("threads", values.threads);
  table.read("recomputation", values.recomputation);
  table.read("memory_per_rank", values.memory_per_rank);
  if (const auto* model = table.table("model")) {
    read_model({*model, path + ": [model]"}, values);
  }
  if (const auto* data = table.table("data")) {
    read_data({*data, path + ": [data]"}, values.data);
  }
  if (const auto* optimizer = table.table("optimizer")) {
    read_optimizer({*optimizer, path + ": [optimizer]"}, values.optimizer);
  }
  for (const auto* stage : table.tables("stage")) {
    values.stages.push_back(read_stage({*stage, fmt::format("{}: [[stage]] {}", path, values.stages.size())}));
  }
  table.require_all_known();
  require_input(!values.stages.empty(), fmt::format("{}: there is no [[stage]]", path));
  values.files.push_back(path);
  return values;
}

TrainingPlan make_plan(const TrainOptions& values, std::int64_t ranks) {
  TrainingPlan plan{.model = values.preset.empty() ? values.model : model_preset(values.preset),
                    .initialization = values.initialization,
                    .stages_name = values.stages_name,
                    .seed = values.seed,
                    .optimizer = values.optimizer,
                    .stages = {},
                    .schedule = values.schedule,
                    .layout = values.layout,
                    .dtype = values.dtype,
                    .wire_dtype = dtype_on_wire(values.wire_dtype, values.dtype),
                    .backend = values.backend,
                    .threads = values.threads,
                    .recomputation = values.recomputation};
  std::vector<StageOptions> stages = values.stages;
  if (stages.empty()) {
    require_input((values.dry_run || !traits_of(values.backend).computes) && values.context_length > 0,
                  "give --config FILE, or --dry-run with --preset, --context-length and --mesh");
    StageOptions& only = stages.emplace_back();
    only.stage.rope_theta = plan.model.rope_theta;
    only.stage.steps = 1;
    only.stage.task = make_task("text");
  }
  require_input(values.stage_count >= 0, fmt::format("--stage-count {}: give 0 (all) or more", values.stage_count));
  if (values.stage_count > 0) {
    stages.resize(std::min(stages.size(), static_cast<std::size_t>(values.stage_count)));
  }
  for (std::size_t index = 0; index < stages.size(); ++index) {
    try {
      plan.stages.push_back(make_stage(stages[index], values, ranks));
      check_schedule_flags(plan.schedule, plan.model, plan.layout, plan.stages.back().mesh);
      require_within_window(plan.model, plan.stages.back().context_length);
    } catch (const Error& error) {
      throw Error(error.kind(), fmt::format("stage {}: {}", index, error.what()), error.where());
    }
  }
  // An initialisation that depends on theta uses the theta of the first stage.
  plan.model.rope_theta = plan.stages.front().rope_theta;
  return plan;
}

void check_train(const std::string& configuration, const Schedule& schedule, std::int64_t ranks,
                 const std::string& mesh) {
  TrainOptions values = read_train_config(configuration);
  values.schedule = schedule;
  values.mesh = mesh;
  static_cast<void>(make_plan(values, ranks));
}

std::vector<std::string> files_of_train(const std::string& configuration) {
  const TrainOptions values = read_train_config(configuration);
  std::vector<std::string> files = values.files;
  std::ranges::copy(haystack_files(values.data.haystack), std::back_inserter(files));
  files.push_back(values.data.tokenizer);
  files.push_back(values.data.frame_tokenizer);
  for (const StageOptions& stage : values.stages) {
    const std::vector<std::string> of_task = stage.stage.task->files();
    files.insert(files.end(), of_task.begin(), of_task.end());
  }
  return files;
}

}  // namespace ringworld
