#include "experiments/needle/config.hpp"

#include <fmt/format.h>

#include "core/error.hpp"
#include "experiments/common/configuration_files.hpp"
#include "experiments/common/option_values.hpp"
#include "experiments/common/theta_choice.hpp"

namespace ringworld {

void declare(Options& options, NeedleOptions& values) {
  options.add("checkpoint", values.checkpoint, "",
              "HDF5 file that `ringworld train` wrote, or safetensors or a Hugging Face folder with a tokenizer.model");
  options.add("context-length", values.context_length, "token",
              "tokens of a trial, question and answers included; 0 = the longest that was trained");
  options.add(
      "depth", values.depth, "",
      "where a single needle stands, 0 = start, 1 = next to the question: a list, or one whole number from 2 on: "
      "so many depths, evenly spaced");
  options.add("needles", values.needles, "", "N/R: needles planted / asked for; 1/1 has a cell for each depth");
  options.add("trials", values.trials, "", "contexts a cell, each with its own haystack and needles");
  options.add("rope-theta", values.rope_theta, "",
              "stage (as trained), scaled (with the square of the length beyond the trained one), or a number");
  options.add("haystack", values.haystack, "",
              "text that the model was trained on: kjv, synthetic, or text files; its held-out part is used");
  options.add("needle-template", values.needle_template, "",
              "short1, long1, or checkpoint (that of the model's last stage); word tokenizers only");
  declare(options, values,
          {RunFlag::mesh, RunFlag::schedule, RunFlag::layout, RunFlag::backend, RunFlag::dtype, RunFlag::threads});
  options.add(
      "decoding", values.decoding, "",
      "one_pass: one pass over a trial with its right answers filled in scores them all; greedy: the answers are "
      "generated token by token from a sharded cache, each after the model's own earlier ones");
  options.add("tokens-per-pass", values.tokens_per_pass, "token",
              "most tokens of all contexts that one pass takes side by side; a longer context goes alone");
  options.add("perplexity-windows", values.perplexity_windows, "",
              "also measure nll against position, over so many windows of held-out text; 0 = do not");
  options.add("seed", values.seed, "", "seed of the trials");
  declare(options, values, {RunFlag::resume, RunFlag::retry_failed, RunFlag::output});
  options.allow_config_file();
}

std::vector<NeedlePoint> make_needle_points(const NeedleOptions& values, const TrainedFor& trained) {
  require_input(values.trials >= 1, fmt::format("--trials: {} must be at least 1", values.trials));
  require_input(values.tokens_per_pass >= 1,
                fmt::format("--tokens-per-pass: {} must be at least 1", values.tokens_per_pass));
  require_input(values.threads >= 1, fmt::format("--threads: {} must be at least 1", values.threads));
  require_input(values.perplexity_windows >= 0,
                fmt::format("--perplexity-windows: {} must not be negative", values.perplexity_windows));
  const std::vector<double> depths = read_depths(values.depth);
  std::vector<NeedlePoint> points;
  for (const std::int64_t given : values.context_length) {
    require_input(given >= 0, fmt::format("--context-length: {} must be at least 1, or 0 for the trained one", given));
    const std::int64_t length = given == 0 ? trained.context_length : given;
    for (const std::string& word : values.rope_theta) {
      const ThetaChoice choice = read_theta(word);
      for (const std::string& needles : values.needles) {
        const NeedleCount count = read_needle_count(needles);
        NeedlePoint point{.cell = {.context_length = length,
                                   .planted = count.planted,
                                   .asked = count.asked,
                                   .seed = static_cast<std::uint64_t>(values.seed)},
                          .theta_mode = choice.mode,
                          .theta = choice.value(trained.rope_theta, trained.context_length, length)};
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
  }
  return points;
}

std::vector<std::string> files_of_needle(const std::string& configuration) {
  NeedleOptions values;
  Options options("needle", "");
  declare(options, values);
  static_cast<void>(options.parse({"--config", configuration}));
  std::vector<std::string> files{configuration};
  files.insert(files.end(), values.haystack.begin(), values.haystack.end());
  return files;
}

}  // namespace ringworld
