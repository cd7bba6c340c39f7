#include "experiments/train/training_settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "core/error.hpp"
#include "experiments/common/content_digest.hpp"
#include "experiments/common/names.hpp"
#include "experiments/common/option_values.hpp"
#include "tasks/tasks.hpp"

namespace ringworld {
namespace {

constexpr std::string_view machine_prefix = "machine: ";

/// Collects settings under a prefix.
class SettingWriter {
 public:
  explicit SettingWriter(std::vector<TrainingSetting>& settings, std::string prefix = "")
      : settings_(settings), prefix_(std::move(prefix)) {}

  void add(std::string_view key, const std::string& value) { settings_.push_back({prefix_ + std::string(key), value}); }
  void add(std::string_view key, std::string_view value) { add(key, std::string(value)); }
  void add(std::string_view key, const char* value) { add(key, std::string(value)); }
  template <class Number>
  void add(std::string_view key, Number value) {
    add(key, fmt::format("{}", value));
  }

 private:
  std::vector<TrainingSetting>& settings_;
  std::string prefix_;
};

void add_model(SettingWriter out, const ModelConfig& model) {
  out.add("hidden_size", model.hidden_size);
  out.add("ffn_size", model.ffn_size);
  out.add("layers", model.layers);
  out.add("heads", model.heads);
  out.add("kv_heads", model.kv_heads);
  out.add("head_size", model.head_size);
  out.add("vocabulary", model.vocabulary.to_text());
  out.add("rms_norm_eps", model.rms_norm_eps);
  out.add("rope_pairing", name_of(model.rope_pairing));
  out.add("rope_precision", model.rope_precision == AnglePrecision::float32 ? "float32" : "float64");
  out.add("is_head_tied", model.is_head_tied);
  out.add("has_attention_bias", model.has_attention_bias);
  if (model.has_query_key_norm) {
    out.add("has_query_key_norm", true);
  }
  out.add("initializer_range", model.initializer_range);
}

void add_data(SettingWriter out, const TrainingData& data) {
  const std::string tokenizer = data.tokenizer().to_text();
  out.add("text", data.text_digest());
  out.add("tokenizer", content_digest(std::span(&tokenizer, 1)));
  if (const FrameData* const frames = data.frames()) {
    out.add("codes_per_frame", frames->codes_per_frame);
    out.add("codebook_size", frames->codebook_size);
    out.add("frame_tokenizer", frames->digest);
    out.add("cards", data.cards_digest());
  }
}

void add_optimizer(SettingWriter out, const AdamWSettings& settings) {
  out.add("beta1", settings.beta1);
  out.add("beta2", settings.beta2);
  out.add("epsilon", settings.epsilon);
  out.add("weight_decay", settings.weight_decay);
  out.add("clip", settings.clip);
  out.add("decays_all", settings.decays_all);
}

void add_stage(SettingWriter out, const Stage& stage, double warmup) {
  const LearningRateSchedule& rate = stage.learning_rate;
  out.add("context_length", stage.context_length);
  out.add("rope_theta", stage.rope_theta);
  out.add("steps", stage.steps);
  out.add("batch", stage.batch);
  out.add("learning_rate", rate.peak);
  out.add("min_learning_rate", rate.minimum);
  out.add("warmup", warmup);
  out.add("decay", name_of(rate.shape));
  out.add("hold", rate.hold);
  out.add("optimizer_state", stage.carries_optimizer ? "carried" : "fresh");
  out.add("stop_when_accuracy", stage.stop_when_accuracy);
  for (const TrainingSetting& key : parse_settings(describe_task(*stage.task))) {
    out.add("data: " + key.key, key.value);
  }
  for (const std::string& file : stage.task->files()) {
    const std::string content = read_file(file);
    out.add("data: content of " + file, content_digest(std::span(&content, 1)));
  }
}

std::string stage_prefix(std::int64_t stage) { return fmt::format("stage {}: ", stage); }

/// The stage that a key is of; nothing for a key of the whole training.
std::optional<std::int64_t> stage_of(const std::string& key) {
  constexpr std::string_view word = "stage ";
  if (!key.starts_with(word)) {
    return std::nullopt;
  }
  std::int64_t stage = 0;
  read_value(key, key.substr(word.size(), key.find(':') - word.size()), stage);
  return stage;
}

bool is_of_machine(const std::string& key) { return key.starts_with(machine_prefix); }

std::optional<std::string> value_of(std::span<const TrainingSetting> settings, const std::string& key) {
  const auto found = std::ranges::find(settings, key, &TrainingSetting::key);
  return found == settings.end() ? std::nullopt : std::optional(found->value);
}

/// Whether the steps that were taken had the learning rates that they would have with `steps` steps before.
bool has_same_rates(const LearningRateSchedule& now, double warmup, std::int64_t steps_before, std::int64_t taken) {
  LearningRateSchedule before = now;
  before.steps = steps_before;
  before.warmup_steps = warmup_steps_of(warmup, steps_before);
  for (std::int64_t step = 0; step < taken; ++step) {
    if (learning_rate(before, step) != learning_rate(now, step)) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::vector<TrainingSetting> settings_of(const TrainOptions& values, const TrainingPlan& plan,
                                         const TrainingData& data) {
  std::vector<TrainingSetting> settings;
  SettingWriter all(settings);
  all.add("seed", plan.seed);
  if (!values.weights.empty()) {
    all.add("weights", values.weights);
  }
  all.add("dtype", name_of(plan.dtype));
  all.add("wire_dtype", name_of(plan.wire_dtype));
  all.add("initialization", name_of(plan.initialization.kind));
  all.add("positional_offsets", fmt::format("{}", fmt::join(plan.initialization.offsets, " ")));
  add_model(SettingWriter(settings, "model: "), plan.model);
  add_data(SettingWriter(settings, "data: "), data);
  add_optimizer(SettingWriter(settings, "optimizer: "), plan.optimizer);
  for (std::size_t index = 0; index < plan.stages.size(); ++index) {
    add_stage(SettingWriter(settings, stage_prefix(static_cast<std::int64_t>(index))), plan.stages[index],
              values.stages[index].warmup);
  }
  SettingWriter machine(settings, std::string(machine_prefix));
  machine.add("schedule", describe(plan.schedule));
  machine.add("layout", name_of(plan.layout));
  machine.add("backend", name_of(plan.backend));
  machine.add("transport", name_of(values.transport));
  machine.add("recomputation", name_of(plan.recomputation));
  for (std::size_t index = 0; index < plan.stages.size(); ++index) {
    SettingWriter stage(settings, fmt::format("{}stage {}: ", machine_prefix, index));
    stage.add("mesh", plan.stages[index].mesh.to_string());
    stage.add("micro_batch", plan.stages[index].micro_batch);
  }
  return settings;
}

std::string to_text(std::span<const TrainingSetting> settings) {
  std::string text;
  for (const TrainingSetting& setting : settings) {
    text += fmt::format("{} = {}\n", setting.key, setting.value);
  }
  return text;
}

std::vector<TrainingSetting> parse_settings(const std::string& text) {
  constexpr std::string_view separator = " = ";
  std::vector<TrainingSetting> settings;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    if (const std::size_t at = line.find(separator); at != std::string::npos) {
      settings.push_back({line.substr(0, at), line.substr(at + separator.size())});
    }
    begin = end + 1;
  }
  return settings;
}

std::string digest_of_stage(std::span<const TrainingSetting> settings, std::int64_t stage) {
  std::vector<std::string> texts;
  for (const TrainingSetting& setting : settings) {
    const bool is_number_of_steps = setting.key == stage_prefix(stage) + "steps";
    if (!is_of_machine(setting.key) && !is_number_of_steps && stage_of(setting.key).value_or(0) <= stage) {
      texts.push_back(setting.key);
      texts.push_back(setting.value);
    }
  }
  return content_digest(texts);
}

ResumedTraining require_same_training(const std::string& checkpoint, std::span<const TrainingSetting> before,
                                      std::span<const TrainingSetting> now, const TrainingProgress& progress,
                                      const TrainingPlan& plan) {
  ResumedTraining resumed;
  const std::string steps_key = stage_prefix(progress.stage) + "steps";
  const auto refuse = [&](const TrainingSetting& was, const std::string& is, const std::string& why) {
    throw Error(ErrorKind::bad_input,
                fmt::format("'{}' was trained with {} = {}, this run has {}{}; give the same, or another --checkpoint",
                            checkpoint, was.key, was.value, is, why));
  };
  for (const TrainingSetting& was : before) {
    if (stage_of(was.key).value_or(0) > progress.stage) {
      continue;  // what comes after the checkpoint may be another
    }
    const std::string is = value_of(now, was.key).value_or("nothing");
    if (is == was.value) {
      continue;
    }
    if (is_of_machine(was.key)) {
      resumed.notices.push_back(
          fmt::format("'{}' was written with {} = {}, this run has {}: the same training, but for "
                      "its roundings and times",
                      checkpoint, was.key.substr(machine_prefix.size()), was.value, is));
      continue;
    }
    if (was.key != steps_key || is == "nothing") {
      refuse(was, is, "");
    }
    std::int64_t steps_before = 0;
    read_value(was.key, was.value, steps_before);
    const Stage& stage = plan.stages[static_cast<std::size_t>(progress.stage)];
    double warmup = 0;
    read_value("warmup", value_of(now, stage_prefix(progress.stage) + "warmup").value_or("0"), warmup);
    if (stage.steps < progress.step) {
      refuse(was, is, fmt::format(", but {} steps are taken", progress.step));
    }
    const bool trains_on = progress.is_stage_done && stage.steps > steps_before;
    if (!trains_on && !has_same_rates(stage.learning_rate, warmup, steps_before, progress.step)) {
      refuse(was, is, ", which changes the learning rate of steps that are taken");
    }
    resumed.notices.push_back(fmt::format("stage {} goes on from step {} to {} in place of {}", progress.stage,
                                          progress.step, stage.steps, steps_before));
  }
  return resumed;
}

}  // namespace ringworld
