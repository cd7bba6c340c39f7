/// @file  `ringworld score`: a checkpoint on tokens that another program wrote.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "core/error.hpp"
#include "experiments/common/job.hpp"
#include "experiments/common/names.hpp"
#include "experiments/score/score_output.hpp"
#include "io/tensor_file.hpp"
#include "train/model_checkpoint.hpp"

namespace ringworld {
namespace {

struct ScoreOptions {
  std::string checkpoint;
  std::string input;
  std::string output;
  bool gradients = false;
  bool logits = false;
  std::string mesh = "1,1,1,-1";
  std::string layout = "zigzag";
  std::string backend = "host";
  std::string dtype = "float32";
  std::string recomputation = "none";
  std::int64_t threads = 1;
};

constexpr const char* description =
    "Runs a language model on tokens of yours, to check it against another framework.\n"
    "Checkpoint: one dataset a parameter, named and shaped as in Hugging Face's Llama, float32 or float64, the\n"
    "configuration as attributes of the file: hidden_size intermediate_size num_hidden_layers num_attention_heads\n"
    "num_key_value_heads rms_norm_eps rope_theta tie_word_embeddings attention_bias vocab_size rope_pairing\n"
    "(half_split or interleaved); head_dim and rope_precision (float32 or float64) are optional.\n"
    "Input: /tokens (B,S) int32; optional /segment_ids (B,S) int32, document of each token (attention stays within\n"
    "one), and /loss_mask (B,S), weight of each token as one to be predicted.\n"
    "Writes /nll (B,S-1), entry t being -log p(token t+1 | tokens 0..t); /logits (B,S,V) and the gradients of the\n"
    "mean nll, weighted by the mask, under /gradients/<parameter name>, where asked for. All float32.";

void declare(Options& options, ScoreOptions& values) {
  options.add("checkpoint", values.checkpoint, "", "HDF5 file with the parameters");
  options.add("input", values.input, "", "HDF5 file to read");
  options.add("output", values.output, "", "HDF5 file to write; replaced if it exists");
  options.add("gradients", values.gradients, "", "whether to write gradients");
  options.add("logits", values.logits, "", "whether to write logits");
  options.add("mesh", values.mesh, "", "ranks along dp,fsdp,tp,sp; one may be -1: what the others leave");
  options.add("layout", values.layout, "", "contiguous, striped or zigzag");
  options.add("backend", values.backend, "", "reference, kokkos, host or cuda");
  options.add("dtype", values.dtype, "", "float32 or bfloat16: type of activations and of weights in products");
  options.add("recomputation", values.recomputation, "", "none, attention_saved or full");
  options.add("threads", values.threads, "", "of a rank");
  options.allow_config_file();
}

void require_new_file(const std::string& output, const std::string& other) {
  require_input(!std::filesystem::exists(output) || !std::filesystem::equivalent(output, other),
                fmt::format("{}: the output must not replace what is read", output));
}

/// The input, whole: 12 bytes a token.
struct ScoreInput {
  std::int64_t batch = 0;
  std::int64_t context_length = 0;
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> segments;  // empty without
  std::vector<float> mask;             // 1 without
  double mask_sum = 0;                 // over tokens that are predicted
};

ScoreInput read_input(const TensorReader& file) {
  const std::vector<std::int64_t> shape = file.describe("tokens").shape;
  require_input(shape.size() == 2 && shape[0] > 0 && shape[1] > 1,
                fmt::format("'{}': /tokens must be (B, S) with S of 2 or more", file.path().string()));
  ScoreInput input{.batch = shape[0], .context_length = shape[1], .tokens = {}, .segments = {}, .mask = {}};
  const auto count = static_cast<std::size_t>(shape[0] * shape[1]);
  const Hyperslab whole{.start = {0, 0}, .count = shape};
  input.tokens.resize(count);
  file.read("tokens", whole, std::span<std::int32_t>(input.tokens));
  if (file.has("segment_ids")) {
    file.require_shape("segment_ids", shape);
    input.segments.resize(count);
    file.read("segment_ids", whole, std::span<std::int32_t>(input.segments));
  }
  input.mask.assign(count, 1.0F);
  if (file.has("loss_mask")) {
    file.require_shape("loss_mask", shape);
    if (file.describe("loss_mask").type == ElementType::int32) {
      std::vector<std::int32_t> mask(count);
      file.read("loss_mask", whole, std::span<std::int32_t>(mask));
      input.mask.assign(mask.begin(), mask.end());
    } else {
      file.read("loss_mask", whole, std::span<float>(input.mask));
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    input.mask_sum += i % static_cast<std::size_t>(shape[1]) == 0 ? 0.0 : static_cast<double>(input.mask[i]);
  }
  require_input(input.mask_sum > 0, fmt::format("'{}': /loss_mask leaves no token to predict", file.path().string()));
  return input;
}

/// One sequence's tokens of this rank.
struct LocalRow {
  std::vector<std::int32_t> tokens, targets, segments;
  std::vector<float> weights, nll;

  LocalRow(const ScoreInput& input, std::int64_t row, const std::vector<std::int64_t>& positions)
      : nll(positions.size()) {
    for (const std::int64_t position : positions) {
      const auto at = static_cast<std::size_t>(row * input.context_length + position);
      const bool has_next = position + 1 < input.context_length;
      tokens.push_back(input.tokens[at]);
      targets.push_back(has_next ? input.tokens[at + 1] : -1);
      weights.push_back(has_next ? static_cast<float>(static_cast<double>(input.mask[at + 1]) / input.mask_sum) : 0.0F);
      if (!input.segments.empty()) {
        segments.push_back(input.segments[at]);
      }
    }
  }

  [[nodiscard]] ModelBatch batch() const {
    const std::array<std::int64_t, 2> shape{1, std::ssize(tokens)};
    ModelBatch result{.tokens = {tokens.data(), shape},
                      .targets = {targets.data(), shape},
                      .weights = {weights.data(), shape},
                      .segments = {}};
    if (!segments.empty()) {
      result.segments = {segments.data(), shape};
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

  ModelOptions plan;
  MeshShape shape;
  on_every_rank(job.world, [&] {
    require_input(!values.checkpoint.empty(), "--checkpoint is missing: the HDF5 file with the parameters");
    require_input(!values.input.empty(), "--input is missing: the HDF5 file to read");
    require_input(!values.output.empty(), "--output is missing: the HDF5 file to write");
    shape = parse_mesh(values.mesh, job.world.size());
    plan = {.layout = parse_layout(values.layout),
            .dtype = parse_dtype(values.dtype),
            .wire_dtype = parse_dtype(values.dtype),
            .backend = parse_backend(values.backend),
            .threads = values.threads,
            .recomputation = parse_recomputation(values.recomputation),
            .is_forward_only = !values.gradients};
  });
  const CheckpointReader checkpoint(job.world, values.checkpoint);
  const ModelConfig config = read_model_config(checkpoint);
  ScoreInput input;
  on_every_rank(job.world, [&] {
    input = read_input(TensorReader::open(values.input));
    require_new_file(values.output, values.checkpoint);
    require_new_file(values.output, values.input);
    const std::int64_t groups = shape[MeshAxis::dp] * shape[MeshAxis::fsdp];
    require_input(input.batch % groups == 0,
                  fmt::format("'{}': {} sequences do not divide by dp * fsdp = {}", values.input, input.batch, groups));
    const auto unknown =
        std::ranges::find_if(input.tokens, [&](std::int32_t token) { return token < 0 || token >= config.vocab_size; });
    require_input(unknown == input.tokens.end(),
                  fmt::format("'{}': token {} is not in the vocabulary of {}", values.input,
                              unknown == input.tokens.end() ? 0 : *unknown, config.vocab_size));
  });
  plan.context_length = input.context_length;
  plan.has_segments = !input.segments.empty();

  const Mesh mesh(job.world, shape);
  std::optional<ShardedParameters> parameters;
  std::optional<Model> model;
  on_every_rank(job.world, [&] { parameters.emplace(config, mesh, plan.backend); });
  read_parameters(checkpoint, *parameters);
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
  for (std::int64_t row = group; row < input.batch; row += groups) {
    LocalRow local(input, row, model->positions());
    loss += values.gradients ? model->forward_backward(local.batch(), local.scores())
                             : model->forward(local.batch(), local.scores());
    for (std::size_t t = 0; t < local.nll.size() && mesh.coordinate(MeshAxis::tp) == 0; ++t) {
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
  return 0;
}

}  // namespace ringworld
