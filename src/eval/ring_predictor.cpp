#include "eval/ring_predictor.hpp"

#include <fmt/format.h>

#include <array>

#include "core/error.hpp"

namespace ringworld {
namespace {

ShardedParameters& require_one_batch(ShardedParameters& parameters) {
  const MeshShape& shape = parameters.mesh().shape();
  require_input(
      shape[MeshAxis::dp] == 1 && shape[MeshAxis::fsdp] == 1,
      fmt::format("an evaluation splits sequences, not batches: mesh {} has dp or fsdp > 1", shape.to_string()));
  return parameters;
}

}  // namespace

RingPredictor::RingPredictor(ShardedParameters& parameters, const ModelOptions& options, double rope_theta)
    : ring_(require_one_batch(parameters).mesh().along(MeshAxis::sp)),
      model_(parameters, options),
      local_of_(static_cast<std::size_t>(options.context_length), -1) {
  model_.set_rope_theta(rope_theta);
  const std::vector<std::int64_t>& positions = model_.positions();
  for (std::size_t local = 0; local < positions.size(); ++local) {
    local_of_[static_cast<std::size_t>(positions[local])] = static_cast<std::int64_t>(local);
  }
  const std::size_t rows = static_cast<std::size_t>(options.batch) * positions.size();
  tokens_.resize(rows);
  targets_.resize(rows);
  weights_.resize(rows, 1.0F);
  nll_.resize(rows);
  likeliest_.resize(rows);
}

std::vector<NextToken> RingPredictor::predict(std::span<const Token> tokens, std::span<const TokenPlace> places) {
  const ModelOptions& options = model_.options();
  const std::int64_t length = options.context_length;
  const std::int64_t batch = std::ssize(tokens) / length;
  require(batch >= 1 && batch <= options.batch && batch * length == std::ssize(tokens),
          "evaluation: tokens of another shape than the model's");
  const std::vector<std::int64_t>& positions = model_.positions();
  const auto here = std::ssize(positions);
  for (std::int64_t row = 0; row < options.batch; ++row) {
    const std::int64_t source = row < batch ? row : 0;
    for (std::int64_t local = 0; local < here; ++local) {
      const auto at = static_cast<std::size_t>(row * here + local);
      tokens_[at] = tokens[static_cast<std::size_t>(source * length + positions[static_cast<std::size_t>(local)])];
      targets_[at] = -1;
    }
  }
  // A token is predicted where the token before it stands.
  const auto local_row = [&](const TokenPlace& place) {
    const std::int64_t local = local_of_[static_cast<std::size_t>(place.position - 1)];
    return local < 0 ? -1 : place.row * here + local;
  };
  for (const TokenPlace& place : places) {
    if (const std::int64_t at = local_row(place); at >= 0) {
      targets_[static_cast<std::size_t>(at)] = tokens[static_cast<std::size_t>(place.row * length + place.position)];
    }
  }
  const std::array<std::int64_t, 2> shape{options.batch, here};
  model_.forward({.tokens = {tokens_.data(), shape},
                  .targets = {targets_.data(), shape},
                  .weights = {weights_.data(), shape},
                  .document_ids = {}},
                 {.nll = {nll_.data(), shape}, .likeliest = {likeliest_.data(), shape}});

  // Each place is answered by one rank; the others add zeros.
  std::vector<std::int64_t> likeliest(places.size());
  std::vector<double> nll(places.size());
  for (std::size_t index = 0; index < places.size(); ++index) {
    if (const std::int64_t at = local_row(places[index]); at >= 0) {
      likeliest[index] = likeliest_[static_cast<std::size_t>(at)];
      nll[index] = static_cast<double>(nll_[static_cast<std::size_t>(at)]);
    }
  }
  ring_.all_reduce(std::span(likeliest), Reduction::sum);
  ring_.all_reduce(std::span(nll), Reduction::sum);
  std::vector<NextToken> answers;
  for (std::size_t index = 0; index < places.size(); ++index) {
    answers.push_back({.likeliest = static_cast<Token>(likeliest[index]), .nll = nll[index]});
  }
  return answers;
}

}  // namespace ringworld
