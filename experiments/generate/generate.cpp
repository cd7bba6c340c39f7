/// @file  `ringworld generate`: a prompt, continued by a trained model.

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <span>
#include <vector>

#include "comm/stop_agreement.hpp"
#include "core/activity.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "core/text_file.hpp"
#include "eval/greedy_decoder.hpp"
#include "experiments/common/content_digest.hpp"
#include "experiments/common/cpu_sharing.hpp"
#include "experiments/common/job.hpp"
#include "experiments/common/job_files.hpp"
#include "experiments/common/named_corpus.hpp"
#include "experiments/common/run_flags.hpp"
#include "experiments/common/run_record.hpp"
#include "experiments/common/theta_choice.hpp"
#include "experiments/common/trained_model.hpp"
#include "experiments/generate/rows.hpp"
#include "io/console_table.hpp"
#include "perf/samples.hpp"

namespace ringworld {
namespace {

struct GenerateOptions : RunFlags {
  GenerateOptions() { output = "ringworld-generate.h5"; }

  std::string checkpoint;
  std::string prompt;
  std::string prompt_file;
  std::int64_t new_tokens = 32;
  std::string rope_theta = "stage";
  bool gather_weights = false;
};

constexpr const char* description =
    "Continues a text by the likeliest tokens. The prompt is read in one pass by ring attention; its keys and values "
    "stay\n"
    "where the pass left them, and each new token is answered by all ranks' caches and merged by one reduction.\n"
    "Prints the text, records prompt and token times.";

void declare(Options& options, GenerateOptions& values) {
  options.add("checkpoint", values.checkpoint, "",
              "HDF5 file that `ringworld train` wrote, or safetensors or a Hugging Face folder with a tokenizer.model");
  options.add("prompt", values.prompt, "", "text to continue");
  options.add("prompt-file", values.prompt_file, "", "file that holds it, in place of --prompt");
  options.add("new-tokens", values.new_tokens, "token", "most that are generated; an end of document ends it earlier");
  options.add("rope-theta", values.rope_theta, "",
              "stage (as trained), scaled (with the square of the length beyond the trained one), or a number");
  options.add(
      "gather-weights", values.gather_weights, "",
      "gather the weights from the ranks that share them for every token, instead of holding all weights on each rank");
  declare(options, values,
          {RunFlag::mesh, RunFlag::schedule, RunFlag::layout, RunFlag::backend, RunFlag::dtype, RunFlag::threads,
           RunFlag::output});
  options.allow_config_file();
}

std::string read_prompt(const GenerateOptions& values) {
  require_input(values.prompt.empty() != values.prompt_file.empty(),
                "give the text to continue with --prompt or --prompt-file, one of them");
  return values.prompt_file.empty() ? plain_text(values.prompt, "--prompt") : read_text_file(values.prompt_file);
}

/// A document that begins with the text.
std::vector<Token> tokens_of(const std::string& text, const Tokenizer& tokenizer) {
  std::vector<Token> tokens = tokenizer.encode(text);
  if (const std::optional<Token> bos = tokenizer.bos()) {
    tokens.insert(tokens.begin(), *bos);
  }
  return tokens;
}

struct Generation {
  std::vector<Token> tokens;
  double prefill_time = 0;
  std::vector<double> token_times;
  bool is_finite = true;
  bool is_stopped = false;
};

Generation generate(GreedyDecoder& decoder, const std::vector<Token>& prompt, std::int64_t count,
                    std::optional<Token> eos, const Communicator& world) {
  Generation result;
  const auto timed = [&](auto&& step) {
    const Phase phase("token {} of {}", std::ssize(result.tokens), count);
    const double start = now_seconds();
    const std::vector<Token> next = step();
    const TensorView<const float, 2> logits = decoder.logits();
    for (std::int64_t v = 0; v < logits.shape[1]; ++v) {
      result.is_finite = result.is_finite && std::isfinite(logits(0, v));
    }
    result.tokens.push_back(next.front());
    std::array<double, 2> agreed{now_seconds() - start, stop_vote()};
    world.all_reduce(std::span<double>(agreed), Reduction::max);
    result.is_stopped = agreed[1] > 0;
    return agreed[0];
  };
  result.prefill_time = timed([&] { return decoder.read(prompt); });
  const auto is_whole = [&] { return std::ssize(result.tokens) >= count || result.tokens.back() == eos; };
  while (!is_whole() && !result.is_stopped) {
    const std::vector<Token> last{result.tokens.back()};
    result.token_times.push_back(timed([&] { return decoder.add(last); }));
  }
  result.is_stopped = result.is_stopped && !is_whole();
  return result;
}

}  // namespace

int run_generate(const Job& job) {
  GenerateOptions values;
  Options options("generate", description);
  declare(options, values);
  if (!parse_options(job, options)) {
    return 0;
  }
  const Communicator& world = job.world;
  std::vector<JobFile> reads = job_files("--checkpoint", files_of_weights(values.checkpoint));
  reads.push_back({.flag = "--prompt-file", .path = values.prompt_file});
  const JobFiles files(job, std::move(reads), {{.flag = "--output", .path = values.output}});
  static_cast<void>(warn_of_shared_cpus(world, values.threads));
  MeshShape shape;
  std::string text;
  on_every_rank(world, [&] {
    require_input(!values.checkpoint.empty(),
                  "--checkpoint is missing: the file that ringworld train wrote, or a Hugging Face folder");
    require_input(!values.output.empty(), "--output is empty");
    require_input(values.new_tokens >= 1, fmt::format("--new-tokens {}: at least 1", values.new_tokens));
    text = read_prompt(values);
    shape = parse_mesh(values.mesh, world.size());
    require_input(shape[MeshAxis::dp] == 1 && shape[MeshAxis::fsdp] == 1,
                  fmt::format("--mesh {}: one prompt is split by tp and sp: dp and fsdp must be 1", shape.to_string()));
  });
  const Mesh mesh(world, shape);
  const TrainedModel trained(world, mesh, values.checkpoint, values.backend);
  const CheckpointDescription& of_model = trained.description();
  GenerationRow row;
  std::vector<Token> prompt;
  std::optional<GreedyDecoder> decoder;
  on_every_rank(world, [&] {
    prompt = tokens_of(text, trained.tokenizer());
    require_input(!prompt.empty(), "the prompt has no token; give a text that is not empty");
    const ThetaChoice theta = read_theta(values.rope_theta);
    row.rope_theta = theta.value(of_model.rope_theta, of_model.context_length, std::ssize(prompt) + values.new_tokens);
    row.theta_mode = std::string_view(theta.mode);
    decoder.emplace(trained.parameters(), DecoderOptions{.batch = 1,
                                                         .prompt_length = std::ssize(prompt),
                                                         .new_tokens = values.new_tokens,
                                                         .schedule = values.schedule,
                                                         .layout = values.layout,
                                                         .dtype = values.dtype,
                                                         .rope_theta = row.rope_theta,
                                                         .backend = values.backend,
                                                         .threads = static_cast<int>(values.threads),
                                                         .holds_weights = !values.gather_weights});
  });
  if (const std::string warning = warning_of(text, trained.tokenizer(), "prompt");
      world.is_root() && !warning.empty()) {
    log_warning(warning);
  }
  RunRecord record(job, {.output = values.output, .configuration = options.to_toml()});

  const Generation result = generate(*decoder, prompt, values.new_tokens, trained.tokenizer().eos(), world);
  if (result.is_stopped) {
    record.finish();
    return stopped_early(
        job, fmt::format("the {} tokens so far are dropped, {} has no row", result.tokens.size(), values.output));
  }
  row.prompt_tokens = std::ssize(prompt);
  row.new_tokens_limit = values.new_tokens;
  row.new_tokens = std::ssize(result.tokens);
  row.ranks = world.size();
  row.mesh = std::string_view(shape.to_string());
  row.schedule = name_of(values.schedule);
  row.layout = name_of(values.layout);
  row.dtype = name_of(values.dtype);
  row.weights = std::string_view(values.gather_weights ? "gathered" : "held");
  row.backend = name_of(values.backend);
  row.threads = values.threads;
  row.prompt_digest = std::string_view(content_digest(std::span(&text, 1)));
  row.trained_context_length = of_model.context_length;
  row.prefill_time = result.prefill_time;
  row.prefill_tokens_per_second = static_cast<double>(row.prompt_tokens) / result.prefill_time;
  if (!result.token_times.empty()) {
    const SampleSummary times = summarize(result.token_times);
    row.token_time = times.median;
    row.token_time_min = times.min;
    row.token_time_max = times.max;
  }
  row.cache_bytes = world.all_reduce(decoder->cache_bytes(), Reduction::max);
  row.checkpoint = std::string_view(values.checkpoint);
  row.checkpoint_digest = std::string_view(trained.digest());
  if (result.is_finite) {
    conclude(row, Outcome::ok);
  } else {
    conclude(row, Outcome::not_finite, "the model's logits are not numbers");
  }
  record.add(row);
  record.finish();
  on_root(world, [&] {
    fmt::print("{}\n", trained.tokenizer().decode(result.tokens));
    std::fflush(stdout);
    log_info(fmt::format("{} tokens read in {}s ({}token/s), {} generated at {}s a token, cache {}B a rank -> {}",
                         row.prompt_tokens, with_si_prefix(row.prefill_time),
                         with_si_prefix(row.prefill_tokens_per_second), row.new_tokens, with_si_prefix(row.token_time),
                         with_si_prefix(static_cast<double>(row.cache_bytes)), values.output));
  });
  return row.valid ? 0 : 1;
}

}  // namespace ringworld
