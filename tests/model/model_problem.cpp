#include "model/model_problem.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/random.hpp"
#include "device/host_access.hpp"

namespace ringworld::test {
namespace {

/// This rank's (rows, tokens) part of a (B, S) tensor.
template <class T, class From>
std::vector<T> take_local(const std::vector<From>& whole, std::int64_t first_row, std::int64_t rows,
                          std::int64_t context_length, const std::vector<std::int64_t>& positions) {
  std::vector<T> local;
  for (std::int64_t b = first_row; b < first_row + rows; ++b) {
    for (const std::int64_t position : positions) {
      local.push_back(static_cast<T>(whole[static_cast<std::size_t>(b * context_length + position)]));
    }
  }
  return local;
}

template <class T, class From>
void put_local(const std::vector<From>& local, std::int64_t first_row, std::int64_t context_length,
               const std::vector<std::int64_t>& positions, std::vector<T>& whole) {
  for (std::size_t i = 0; i < local.size(); ++i) {
    const auto row = first_row + static_cast<std::int64_t>(i / positions.size());
    whole[static_cast<std::size_t>(row * context_length + positions[i % positions.size()])] = static_cast<T>(local[i]);
  }
}

void write_parameters(const NamedTensors& values, ShardedParameters& parameters) {
  HostAccess access(parameters.memory());
  for (const ParameterPiece& piece : parameters.pieces()) {
    const std::vector<double>& whole = values.at(piece.tensor->name);
    access.write(piece.parameter, [&](std::span<float> parameter) {
      for (std::int64_t i = piece.begin; i < piece.end; ++i) {
        parameter[static_cast<std::size_t>(i - piece.begin)] =
            static_cast<float>(whole[static_cast<std::size_t>(piece.tensor->global_index(i))]);
      }
    });
  }
}

NamedTensors collect_gradients(const ShardedParameters& parameters) {
  const Mesh& mesh = parameters.mesh();
  NamedTensors gradients;
  for (const UnitLayout& unit : parameters.layout().units()) {
    for (const TensorLayout& tensor : unit.tensors) {
      gradients[tensor.name].resize(static_cast<std::size_t>(tensor.global_elements()));
    }
  }
  HostAccess access(parameters.memory());
  for (const ParameterPiece& piece : parameters.pieces()) {
    const std::span<const float> gradient = access.read(piece.gradient);
    // All dp ranks hold the same sums, and all tp ranks those of replicated tensors: one of them speaks.
    const bool speaks = mesh.coordinate(MeshAxis::dp) == 0 &&
                        (!piece.tensor->slice.is_replicated() || mesh.coordinate(MeshAxis::tp) == 0);
    for (std::int64_t i = piece.begin; i < piece.end && speaks; ++i) {
      gradients[piece.tensor->name][static_cast<std::size_t>(piece.tensor->global_index(i))] =
          static_cast<double>(gradient[static_cast<std::size_t>(i - piece.begin)]);
    }
  }
  for (auto& [name, values] : gradients) {
    mesh.all().all_reduce(std::span(values), Reduction::sum);
  }
  return gradients;
}

}  // namespace

ModelConfig small_config() {
  ModelConfig config;
  config.hidden_size = 40;
  config.ffn_size = 24;
  config.layers = 2;
  config.heads = 4;
  config.kv_heads = 4;
  config.head_size = 16;
  config.vocabulary = 37;
  config.rope_theta = 100.0;
  config.rope_precision = AnglePrecision::float64;
  return config;
}

NamedTensors draw_parameters(const ModelProblem& problem) {
  NamedTensors parameters;
  const ParameterLayout layout(problem.config, 1, 0);
  std::uint64_t stream = 0;
  for (const UnitLayout& unit : layout.units()) {
    for (const TensorLayout& tensor : unit.tensors) {
      std::vector<float> drawn(static_cast<std::size_t>(tensor.local_elements()));
      initialize(problem.config, tensor, Initialization::needle, problem.seed, 0, drawn);
      const CounterRng rng(problem.seed, ++stream);
      for (std::size_t i = 0; i < drawn.size() && tensor.global_shape.size() == 1; ++i) {
        drawn[i] += 0.3F * rng.normals(i)[0];
      }
      parameters[tensor.name].assign(drawn.begin(), drawn.end());
    }
  }
  return parameters;
}

DenseModelBatch draw_batch(const ModelProblem& problem) {
  DenseModelBatch batch{.batch = problem.batch, .context_length = problem.context_length};
  const CounterRng rng(problem.seed, 1000);
  const auto vocab = static_cast<std::uint64_t>(problem.config.vocabulary.size());
  for (std::int64_t i = 0; i < problem.batch * problem.context_length; ++i) {
    const auto index = static_cast<std::uint64_t>(4 * i);
    batch.tokens.push_back(static_cast<std::int32_t>(rng.integer(index, vocab)));
    const bool is_ignored = rng.integer(index + 1, 3) == 0;
    const auto target = static_cast<std::int32_t>(rng.integer(index + 2, vocab));
    const bool is_at_the_end = i + 6 >= problem.batch * problem.context_length;
    const bool is_kept =
        !problem.absent_targets.contains(target) && (is_at_the_end || !problem.rare_targets.contains(target));
    batch.targets.push_back(is_ignored || !is_kept ? -1 : target);
    batch.weights.push_back(static_cast<double>(0.02F * static_cast<float>(1 + i % 3)));
    if (problem.has_documents) {
      batch.document_ids.push_back(static_cast<std::int32_t>(i % problem.context_length / 7));
    }
  }
  return batch;
}

ModelResult run_model(const ModelProblem& problem, const MeshShape& shape, ModelOptions options, int passes) {
  const Mesh mesh(Communicator::world(), shape);
  ShardedParameters parameters(problem.config, mesh, options.backend);
  write_parameters(draw_parameters(problem), parameters);
  const DenseModelBatch whole = draw_batch(problem);

  const std::int64_t groups = shape[MeshAxis::dp] * shape[MeshAxis::fsdp];
  const std::int64_t rows = problem.batch / groups;
  const std::int64_t first_row =
      rows * (mesh.coordinate(MeshAxis::dp) * shape[MeshAxis::fsdp] + mesh.coordinate(MeshAxis::fsdp));
  options.batch = rows;
  options.context_length = problem.context_length;
  options.has_documents = problem.has_documents;
  Model model(parameters, options);

  const auto& positions = model.positions();
  const std::int64_t context = problem.context_length;
  const std::array<std::int64_t, 2> local{rows, std::ssize(positions)};
  const auto tokens = take_local<std::int32_t>(whole.tokens, first_row, rows, context, positions);
  const auto targets = take_local<std::int32_t>(whole.targets, first_row, rows, context, positions);
  const auto weights = take_local<float>(whole.weights, first_row, rows, context, positions);
  std::vector<std::int32_t> document_ids;
  if (problem.has_documents) {
    document_ids = take_local<std::int32_t>(whole.document_ids, first_row, rows, context, positions);
  }
  std::vector<float> nll(tokens.size());
  std::vector<std::int32_t> likeliest(tokens.size());
  ModelBatch batch{.tokens = {tokens.data(), local},
                   .targets = {targets.data(), local},
                   .weights = {weights.data(), local},
                   .document_ids = {}};
  if (problem.has_documents) {
    batch.document_ids = {document_ids.data(), local};
  }

  ModelResult result;
  for (int pass = 0; pass < passes; ++pass) {
    const TokenScores scores{.nll = {nll.data(), local}, .likeliest = {likeliest.data(), local}};
    result.loss = options.is_forward_only ? model.forward(batch, scores) : model.forward_backward(batch, scores);
  }
  parameters.finish_gradients();
  result.gradients = collect_gradients(parameters);

  const auto all = static_cast<std::size_t>(problem.batch * context);
  const bool speaks = mesh.coordinate(MeshAxis::tp) == 0;
  result.nll.resize(all);
  std::vector<std::int64_t> tokens_of_all(all);
  if (speaks) {
    put_local(nll, first_row, context, positions, result.nll);
    put_local(likeliest, first_row, context, positions, tokens_of_all);
  }
  mesh.all().all_reduce(std::span(result.nll), Reduction::sum);
  mesh.all().all_reduce(std::span(tokens_of_all), Reduction::sum);
  result.likeliest.assign(tokens_of_all.begin(), tokens_of_all.end());

  // All places of this rank's rows, given in any order.
  std::vector<LogitPlace> places;
  for (std::int64_t row = rows; row-- > 0;) {
    for (std::int64_t position = 0; position < context; ++position) {
      places.push_back({.row = row, .position = position});
    }
  }
  const std::int64_t vocab = problem.config.vocabulary.size();
  std::vector<float> logits(places.size() * static_cast<std::size_t>(vocab));
  model.logits(places, {logits.data(), {std::ssize(places), vocab}});
  result.logits.resize(all * static_cast<std::size_t>(vocab));
  for (std::size_t i = 0; i < logits.size() && speaks && mesh.coordinate(MeshAxis::sp) == 0; ++i) {
    const LogitPlace& place = places[i / static_cast<std::size_t>(vocab)];
    const std::int64_t token = (first_row + place.row) * context + place.position;
    result.logits[static_cast<std::size_t>(token * vocab) + i % static_cast<std::size_t>(vocab)] =
        static_cast<double>(logits[i]);
  }
  mesh.all().all_reduce(std::span(result.logits), Reduction::sum);
  return result;
}

double normalised_rms(const std::vector<double>& actual, const std::vector<double>& expected) {
  EXPECT_EQ(actual.size(), expected.size());
  double difference = 0;
  double size = 0;
  for (std::size_t i = 0; i < std::min(actual.size(), expected.size()); ++i) {
    difference += (actual[i] - expected[i]) * (actual[i] - expected[i]);
    size += expected[i] * expected[i];
  }
  return std::sqrt(difference / size);
}

namespace {

double rms_of(const std::vector<double>& values) {
  const double squares = std::inner_product(values.begin(), values.end(), values.begin(), 0.0);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

/// What the error of a gradient is held against: its own size. A bias that all keys have moves all scores of a query
/// alike, but for RoPE. So its gradient is what is left of terms that cancel, and those are as large as those of the query's
/// bias.
double scale_of(const std::string& name, const DenseModelResult& expected) {
  const std::vector<double>& own = expected.gradients.at(name);
  const std::size_t of_keys = name.find("k_proj.bias");
  if (of_keys == std::string::npos) {
    return rms_of(own);
  }
  std::string of_queries = name;
  of_queries[of_keys] = 'q';
  return std::max(rms_of(own), rms_of(expected.gradients.at(of_queries)));
}

}  // namespace

void expect_same(const ModelResult& actual, const DenseModelResult& expected, double tolerance,
                 const std::string& what) {
  EXPECT_NEAR(actual.loss, expected.loss, tolerance * std::abs(expected.loss)) << what;
  EXPECT_LE(normalised_rms(actual.nll, expected.nll), tolerance) << what << ": nll";
  EXPECT_LE(normalised_rms(actual.logits, expected.logits), tolerance) << what << ": logits";
  ASSERT_EQ(actual.gradients.size(), expected.gradients.size()) << what;
  for (const auto& [name, values] : expected.gradients) {
    const double scale = scale_of(name, expected) / rms_of(values);
    EXPECT_LE(normalised_rms(actual.gradients.at(name), values), tolerance * scale) << what << ": gradient of " << name;
  }
}

}  // namespace ringworld::test
