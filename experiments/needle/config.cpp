#include "experiments/needle/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "core/error.hpp"
#include "experiments/common/configuration_files.hpp"
#include "experiments/common/csv_flag.hpp"
#include "experiments/common/named_corpus.hpp"
#include "experiments/common/option_values.hpp"
#include "experiments/common/theta_choice.hpp"

namespace ringworld {

void declare(Options& options, NeedleOptions& values) {
  options.begin_group("Model");
  options.add("checkpoint", values.checkpoint, "",
              "HDF5 file that `ringworld train` wrote, or a Hugging Face folder, safetensors or GGUF file with its "
              "tokenizer in it "
              "or beside it");
  options.begin_group("Cells: each combination of these lists is one");
  options.add("context-length", values.context_length, "token",
              "tokens of a trial, question and answers included; 0 = the longest that was trained");
  options.add(
      "depth", values.depth, "",
      "where a single needle stands, 0 = start, 1 = next to the question: a list, or one whole number from 2 on: "
      "so many depths, evenly spaced");
  options.add("needles", values.needles, "", "N/R: needles planted / asked for; 1/1 has a cell for each depth");
  options.begin_group("Trials of a cell");
  options.add("trials", values.trials, "", "contexts a cell, each with its own haystack and needles");
  options.begin_group("Cells: each combination of these lists is one");
  options.add("rope-theta", values.rope_theta, "",
              "stage (as trained), scaled (with the square of the length beyond the trained one), or a number");
  options.add(
      "rope-scaling", values.rope_scaling, "",
      "model (as the checkpoint says), none, or in its place linear:F, dynamic:F or yarn:F with a factor F, as in "
      "none,yarn:4; yarn and dynamic from the trained length on");
  options.begin_group("Trials of a cell");
  options.add("haystack", values.haystack, "",
              "text that the model was trained on: kjv, synthetic, or text files or folders of .txt files; its "
              "held-out part is "
              "used");
  options.add("needle-template", values.needle_template, "",
              "short1, long1, or checkpoint (that of the model's last stage); word tokenizers only");
  options.add("task", values.task, "",
              "lwm (as --needles and --depth say), or of RULER, with --decoding open: niah_single, niah_multikey, "
              "niah_multivalue, niah_multiquery, variable_tracking, common_words, frequent_words");
  options.add(
      "chat", values.chat, "",
      "what stands around context and question: lwm, llama2, llama3, chatml, smollm2, qwen2, mistral; auto (what "
      "comes with the weights); or a text with {} in it. Not of word tokenizers");
  declare(options, values,
          {RunFlag::mesh, RunFlag::schedule, RunFlag::layout, RunFlag::backend, RunFlag::dtype, RunFlag::threads});
  options.add(
      "decoding", values.decoding, "",
      "one_pass: one pass over a trial with its right answers filled in scores them all; greedy: the answers are "
      "generated token by token from a sharded cache, each after the model's own earlier ones; open: an answer is "
      "generated freely, and right when it holds the digits or words, as LWM and RULER have it");
  options.add("answer-tokens", values.answer_tokens, "token",
              "most of an answer with --decoding open; 0 = the task's own: 32 of lwm, 30 to 128 of RULER");
  options.add("tokens-per-pass", values.tokens_per_pass, "token",
              "most tokens of all contexts that one pass takes side by side; a longer context goes alone");
  options.add("perplexity-windows", values.perplexity_windows, "",
              "also measure nll against position, over so many windows of held-out text; 0 = do not");
  options.add("seed", values.seed, "", "seed of the trials");
  declare(options, values, {RunFlag::resume, RunFlag::retry_failed, RunFlag::output});
  options.begin_group(help_group::output);
  options.add(
      "transcript", values.transcript, "",
      "with --decoding open: also write what each trial was asked and answered to this file, a line of JSON each, "
      "after the lines that it holds; empty = do not");
  declare_csv(options, values.csv);
  options.allow_config_file();
  options.add_example("mpirun -n 2 ringworld needle --checkpoint model.h5 --context-length 1K,4K --depth 5",
                      "a heat map of ten cells of a model that ringworld train wrote");
  options.add_example(
      "mpirun -n 2 ringworld needle --checkpoint llama/ --decoding open --context-length 8K --depth 0.5",
      "a Hugging Face folder, asked as LWM's authors ask");
}

namespace {

/// The cells of a task at one length, one theta and one scaling.
void add_points(const NeedleOptions& values, const std::vector<double>& depths, RecallTask task, NeedlePoint point,
                std::vector<NeedlePoint>& points) {
  point.task = task;
  if (task != RecallTask::lwm) {
    const RecallCount count = count_of(task);
    point.cell.planted = count.planted;
    point.cell.asked = count.asked;
    points.push_back(point);
    return;
  }
  for (const std::string& needles : values.needles) {
    const NeedleCount count = read_needle_count(needles);
    point.cell.planted = count.planted;
    point.cell.asked = count.asked;
    point.cell.depth = std::nullopt;
    if (count != NeedleCount{}) {
      points.push_back(point);
      continue;
    }
    for (const double depth : depths) {
      point.cell.depth = depth;
      points.push_back(point);
    }
  }
}

}  // namespace

std::vector<NeedlePoint> make_needle_points(const NeedleOptions& values, const TrainedFor& trained) {
  require_input(values.trials >= 1, fmt::format("--trials: {} must be at least 1", values.trials));
  require_input(values.tokens_per_pass >= 1,
                fmt::format("--tokens-per-pass: {} must be at least 1", values.tokens_per_pass));
  require_input(values.threads >= 1, fmt::format("--threads: {} must be at least 1", values.threads));
  require_input(values.perplexity_windows >= 0,
                fmt::format("--perplexity-windows: {} must not be negative", values.perplexity_windows));
  require_input(values.answer_tokens >= 0,
                fmt::format("--answer-tokens: {} must not be negative", values.answer_tokens));
  require_input(values.answer_tokens == 0 || values.decoding == Decoding::open,
                "--answer-tokens has a use with --decoding open alone");
  require_input(values.transcript.empty() || values.decoding == Decoding::open,
                "--transcript has a use with --decoding open alone");
  const std::vector<double> depths = read_depths(values.depth);
  std::vector<RecallTask> tasks;
  for (const std::string& word : values.task) {
    tasks.push_back(parse_enumerator<RecallTask>(word));
    require_input(tasks.back() == RecallTask::lwm || values.decoding == Decoding::open,
                  fmt::format("--task {} is scored by what a free answer holds: it needs --decoding open", word));
  }
  std::vector<NeedlePoint> points;
  for (const std::int64_t given : values.context_length) {
    require_input(given >= 0, fmt::format("--context-length: {} must be at least 1, or 0 for the trained one", given));
    const std::int64_t length = given == 0 ? trained.context_length : given;
    for (const std::string& word : values.rope_theta) {
      const ThetaChoice choice = read_theta(word);
      NeedlePoint common{.cell = {.context_length = length, .seed = static_cast<std::uint64_t>(values.seed)},
                         .theta_mode = choice.mode,
                         .theta = choice.value(trained.rope_theta, trained.context_length, length)};
      for (const std::string& scaling : values.rope_scaling) {
        common.scaling = read_rope_scaling(scaling, trained.context_length, trained.head_size);
        for (const RecallTask task : tasks) {
          add_points(values, depths, task, common, points);
        }
      }
    }
  }
  return points;
}

std::vector<std::string> files_of_needle(const std::string& configuration) {
  NeedleOptions values;
  Options options("needle", "");
  declare(options, values);
  static_cast<void>(options.parse({"--config", configuration}));
  std::vector<std::string> files{configuration};
  std::ranges::copy(haystack_files(values.haystack), std::back_inserter(files));
  return files;
}

}  // namespace ringworld
