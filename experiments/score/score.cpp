/// @file  `ringworld score`: a checkpoint on tokens that another program wrote.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "comm/stop_agreement.hpp"
#include "core/activity.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "experiments/common/cpu_sharing.hpp"
#include "experiments/common/job.hpp"
#include "experiments/common/job_files.hpp"
#include "experiments/common/run_flags.hpp"
#include "experiments/score/score_output.hpp"
#include "io/non_finite.hpp"
#include "io/tensor_file.hpp"
#include "train/model_checkpoint.hpp"

namespace ringworld {
namespace {

struct ScoreOptions : RunFlags {
  std::string checkpoint;
  std::string input;
  bool gradients = false;
  bool logits = false;
  Recomputation recomputation = Recomputation::none;
  bool allow_non_finite = false;
};

constexpr const char* description =
    "Runs a language model on tokens of yours, to check it against another framework.\n"
    "Checkpoint: one dataset a parameter, named and shaped as in Hugging Face's Llama, floating-point of any size, "
    "the\n"
    "configuration as attributes of the file: hidden_size intermediate_size num_hidden_layers num_attention_heads\n"
    "num_key_value_heads rms_norm_eps rope_theta tie_word_embeddings attention_bias vocab_size rope_pairing\n"
    "(half_split or interleaved); head_dim and rope_precision (float32 or float64) are optional.\n"
    "What else a configuration says is checked: what the model does not do is an error, what is unknown a warning.\n"
    "Input: /tokens (B,S), integers; optional /segment_ids (B,S), integers, document of each token (attention stays\n"
    "within one), and /loss_mask (B,S), weight of each token as one to be predicted: numbers or booleans.\n"
    "Weights and mask must be finite (else exit code 2), and so must be the results (else exit code 1, with the "
    "file).\n"
    "Writes /nll (B,S-1), entry t being -log p(token t+1 | tokens 0..t); /logits (B,S,V) and the gradients of the\n"
    "mean nll, weighted by the mask, under /gradients/<parameter name>, where asked for. All float32.";

void declare(Options& options, ScoreOptions& values) {
  options.add("checkpoint", values.checkpoint, "",
              "parameters: an HDF5 file, safetensors, GGUF or a Hugging Face folder");
  options.add("input", values.input, "", "HDF5 file to read");
  options.add("output", values.output, "", "HDF5 file to write; replaced if it exists");
  options.add("gradients", values.gradients, "", "whether to write gradients");
  options.add("logits", values.logits, "", "whether to write logits");
  declare(options, values,
          {RunFlag::mesh, RunFlag::schedule, RunFlag::layout, RunFlag::backend, RunFlag::dtype, RunFlag::threads});
  options.add("recomputation", values.recomputation, "", "what backward computes again");
  options.add("allow-non-finite", values.allow_non_finite, "", "whether NaN and infinite numbers are no error");
  options.allow_config_file();
}

/// The input, whole: 12 bytes a token.
struct ScoreInput {
  std::int64_t batch = 0;
  std::int64_t context_length = 0;
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> document_ids;  // empty without
  std::vector<float> mask;                 // 1 without
  double mask_sum = 0;                     // over tokens that are predicted
};

ScoreInput read_input(const TensorReader& file, bool allow_non_finite) {
  const std::vector<std::int64_t> shape = file.describe("tokens").shape;
  require_input(shape.size() == 2 && shape[0] > 0 && shape[1] > 1,
                fmt::format("'{}': /tokens must be (B, S) with S of 2 or more", file.path().string()));
  ScoreInput input{.batch = shape[0], .context_length = shape[1], .tokens = {}, .document_ids = {}, .mask = {}};
  const auto count = static_cast<std::size_t>(shape[0] * shape[1]);
  const Hyperslab whole{.start = {0, 0}, .count = shape};
  input.tokens.resize(count);
  file.read("tokens", whole, std::span<std::int32_t>(input.tokens));
  if (file.has("segment_ids")) {
    file.require_shape("segment_ids", shape);
    input.document_ids.resize(count);
    file.read("segment_ids", whole, std::span<std::int32_t>(input.document_ids));
  }
  input.mask.assign(count, 1.0F);
  if (file.has("loss_mask")) {
    file.require_shape("loss_mask", shape);
    const ElementKind kind = file.describe("loss_mask").type.kind;
    if (kind == ElementKind::integer || kind == ElementKind::boolean) {
      std::vector<std::int32_t> mask(count);
      file.read("loss_mask", whole, std::span<std::int32_t>(mask));
      input.mask.assign(mask.begin(), mask.end());
    } else {
      file.read("loss_mask", whole, std::span<float>(input.mask));
    }
    NonFiniteNumbers found;
    found.count("loss_mask", shape, 0, input.mask);
    require_input(found.is_empty() || allow_non_finite,
                  fmt::format("'{}': {}", file.path().string(), found.to_string()));
  }
  for (std::size_t i = 0; i < count; ++i) {
    input.mask_sum += i % static_cast<std::size_t>(shape[1]) == 0 ? 0.0 : static_cast<double>(input.mask[i]);
  }
  require_input(!(input.mask_sum <= 0),
                fmt::format("'{}': /loss_mask leaves no token to predict", file.path().string()));
  return input;
}

/// One sequence's tokens of this rank. A row behind the last sequence is one that asks for nothing: passes are collective,
/// and not every group of ranks has a sequence in the last of them.
struct LocalRow {
  std::vector<std::int32_t> tokens, targets, document_ids;
  std::vector<float> weights, nll;

  LocalRow(const ScoreInput& input, std::int64_t row, const std::vector<std::int64_t>& positions)
      : nll(positions.size()) {
    for (const std::int64_t position : positions) {
      const bool is_sequence = row < input.batch;
      const auto at = static_cast<std::size_t>((is_sequence ? row : 0) * input.context_length + position);
      const bool has_next = is_sequence && position + 1 < input.context_length;
      tokens.push_back(input.tokens[at]);
      targets.push_back(has_next ? input.tokens[at + 1] : -1);
      weights.push_back(has_next ? static_cast<float>(static_cast<double>(input.mask[at + 1]) / input.mask_sum) : 0.0F);
      if (!input.document_ids.empty()) {
        document_ids.push_back(input.document_ids[at]);
      }
    }
  }

  [[nodiscard]] ModelBatch batch() const {
    const std::array<std::int64_t, 2> shape{1, std::ssize(tokens)};
    ModelBatch result{.tokens = {tokens.data(), shape},
                      .targets = {targets.data(), shape},
                      .weights = {weights.data(), shape},
                      .document_ids = {}};
    if (!document_ids.empty()) {
      result.document_ids = {document_ids.data(), shape};
    }
    return result;
  }
  [[nodiscard]] TokenScores scores() { return {.nll = {nll.data(), {1, std::ssize(nll)}}, .likeliest = {}}; }
};

}  // namespace

int run_score(const Job& job) {
  ScoreOptions values;
  Options options("score", description);
  declare(options, values);
  if (!parse_options(job, options)) {
    return 0;
  }
  std::vector<JobFile> read = job_files("--checkpoint", files_of_weights(values.checkpoint));
  read.push_back({.flag = "--input", .path = values.input});
  const JobFiles files(job, read, {{.flag = "--output", .path = values.output}});
  static_cast<void>(warn_of_shared_cpus(job.world, values.threads));

  ModelOptions plan;
  MeshShape shape;
  on_every_rank(job.world, [&] {
    require_input(
        !values.checkpoint.empty(),
        "--checkpoint is missing: the parameters, as an HDF5 file, safetensors, GGUF or a Hugging Face folder");
    require_input(!values.input.empty(), "--input is missing: the HDF5 file to read");
    require_input(!values.output.empty(), "--output is missing: the HDF5 file to write");
    shape = parse_mesh(values.mesh, job.world.size());
    plan = {.schedule = values.schedule,
            .layout = values.layout,
            .dtype = values.dtype,
            .wire_dtype = values.dtype,
            .backend = values.backend,
            .threads = values.threads,
            .recomputation = values.recomputation,
            .is_forward_only = !values.gradients};
  });
  const auto weights = open_tensor_source(job.world, values.checkpoint);
  const ModelConfig config = read_model_config(*weights);
  ScoreInput input;
  on_every_rank(job.world, [&] {
    check_schedule_flags(values.schedule, config, values.layout, shape);
    input = read_input(TensorReader::open(values.input), values.allow_non_finite);
    const auto unknown =
        std::ranges::find_if(input.tokens, [&](std::int32_t token) { return !config.vocabulary.contains(token); });
    if (unknown != input.tokens.end()) {
      const std::int64_t place = unknown - input.tokens.begin();
      throw Error(
          ErrorKind::bad_input,
          fmt::format("'{}': /tokens holds {} at ({}, {}), which is not in the vocabulary of {}", values.input,
                      *unknown, place / input.context_length, place % input.context_length, config.vocabulary.size()));
    }
  });
  plan.context_length = input.context_length;
  plan.has_documents = !input.document_ids.empty();

  const Mesh mesh(job.world, shape);
  std::optional<ShardedParameters> parameters;
  std::optional<Model> model;
  on_every_rank(job.world, [&] {
    parameters.emplace(config, mesh, plan.backend,
                       values.gradients ? ParameterUse::training : ParameterUse::evaluation);
  });
  read_parameters(*weights, *parameters, values.allow_non_finite ? NonFinite::allowed : NonFinite::refused);
  on_every_rank(job.world, [&] { model.emplace(*parameters, plan); });
  ScoreOutput output(values.output,
                     {.batch = input.batch,
                      .context_length = input.context_length,
                      .has_logits = values.logits,
                      .has_gradients = values.gradients},
                     parameters->layout(), mesh);

  const std::int64_t groups = shape[MeshAxis::dp] * shape[MeshAxis::fsdp];
  const std::int64_t group = mesh.coordinate(MeshAxis::dp) * shape[MeshAxis::fsdp] + mesh.coordinate(MeshAxis::fsdp);
  std::vector<double> nll(static_cast<std::size_t>(input.batch * (input.context_length - 1)));
  double loss = 0;
  for (std::int64_t first = 0; first < input.batch; first += groups) {  // every rank makes as many turns
    if (is_stop_wanted(job.world)) {
      return stopped_early(job, fmt::format("{} is not written", values.output));
    }
    const Phase phase("sequence {} of {}", first + 1, input.batch);
    const std::int64_t row = first + group;
    LocalRow local(input, row, model->positions());
    loss += values.gradients ? model->forward_backward(local.batch(), local.scores())
                             : model->forward(local.batch(), local.scores());
    const bool speaks = row < input.batch && mesh.coordinate(MeshAxis::tp) == 0;
    for (std::size_t t = 0; t < local.nll.size() && speaks; ++t) {
      const std::int64_t position = model->positions()[t];
      if (position + 1 < input.context_length) {
        nll[static_cast<std::size_t>(row * (input.context_length - 1) + position)] = static_cast<double>(local.nll[t]);
      }
    }
    if (values.logits) {
      output.write_logits(*model, row);
    }
  }
  output.write_nll(nll);
  if (values.gradients) {
    parameters->finish_gradients();
    output.write_gradients(*parameters);
  }
  output.finish();
  if (job.world.is_root()) {
    fmt::print("score: {} sequences of {} tokens, {} parameters, mesh {}: mean nll {:.6f} -> {}\n", input.batch,
               input.context_length, parameter_count(config), shape.to_string(), loss, values.output);
  }
  on_root(job.world, [&] {
    const NonFiniteNumbers& found = output.non_finite();
    const std::string message = fmt::format("'{}': {}", values.output, found.to_string());
    if (!found.is_empty() && !values.allow_non_finite) {
      throw Error(ErrorKind::check_failed, message);
    }
    if (!found.is_empty()) {
      log_warning(message);
    }
  });
  return 0;
}

}  // namespace ringworld
