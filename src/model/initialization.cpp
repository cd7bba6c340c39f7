#include "model/initialization.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/random.hpp"
#include "core/spelling.hpp"

namespace ringworld {
namespace {

/// FNV-1a: the same on every platform, unlike std::hash.
std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = 14695981039346656037U;
  for (const char character : text) {
    hash = (hash ^ static_cast<unsigned char>(character)) * 1099511628211U;
  }
  return hash;
}

bool ends_residual_branch(const TensorLayout& tensor) {
  return tensor.name.ends_with("o_proj.weight") || tensor.name.ends_with("down_proj.weight");
}

double standard_deviation(const ModelConfig& config, const TensorLayout& tensor, Initialization initialization) {
  if (initialization == Initialization::lwm) {
    return config.initializer_range;
  }
  const double depth = ends_residual_branch(tensor) ? 2.0 * static_cast<double>(config.layers) : 1.0;
  return 1.0 / std::sqrt(static_cast<double>(tensor.global_shape[1]) * depth);
}

/// Offset that a head looks back to; 0: none.
std::int64_t offset_of(std::span<const std::int64_t> offsets, std::int64_t head) {
  if (offsets.empty()) {
    return head + 1;
  }
  return head < std::ssize(offsets) ? offsets[static_cast<std::size_t>(head)] : 0;
}

/// Element `index` of layer 0's query or key bias.
float positional_bias(const ModelConfig& config, std::span<const std::int64_t> offsets, bool is_query,
                      std::int64_t index) {
  const std::int64_t half = config.head_size / 2;
  const std::int64_t frequencies = std::min<std::int64_t>(4, half);
  constexpr double peak_logit = 6.0;
  const auto size = static_cast<double>(config.head_size);
  const double amplitude = std::sqrt(peak_logit * std::sqrt(size) / static_cast<double>(frequencies));

  const std::int64_t element = index % config.head_size;
  const bool is_interleaved = config.rope_pairing == RopePairing::interleaved;
  const std::int64_t pair = is_interleaved ? element / 2 : element % half;
  const bool is_second = is_interleaved ? element % 2 == 1 : element >= half;
  if (pair >= frequencies) {
    return 0.0F;
  }
  if (!is_query) {
    return is_second ? 0.0F : static_cast<float>(amplitude);
  }
  const std::int64_t head = index / config.head_size;
  const auto offset = static_cast<double>(offset_of(offsets, head));
  if (offset == 0) {
    return 0.0F;
  }
  const double angle = std::pow(config.rope_theta, -2.0 * static_cast<double>(pair) / size) * offset;
  return static_cast<float>(is_second ? -amplitude * std::sin(angle) : amplitude * std::cos(angle));
}

void draw_normals(const TensorLayout& tensor, double deviation, std::uint64_t seed, std::int64_t begin,
                  std::span<float> values) {
  const CounterRng rng(seed, hash_of(tensor.name));
  std::array<float, 4> drawn{};
  std::int64_t drawn_block = -1;
  for (std::int64_t i = 0; i < std::ssize(values); ++i) {
    const std::int64_t index = tensor.global_index(begin + i);
    if (index / 4 != drawn_block) {
      drawn_block = index / 4;
      drawn = rng.normals(static_cast<std::uint64_t>(drawn_block));
    }
    values[static_cast<std::size_t>(i)] = static_cast<float>(deviation) * drawn[static_cast<std::size_t>(index % 4)];
  }
}

}  // namespace

Initialization parse_initialization(std::string_view name) {
  const auto* const found = std::ranges::find(initialization_names, name);
  if (found == initialization_names.end()) {
    throw_unknown_name("initialization", name, initialization_names);
  }
  return static_cast<Initialization>(found - initialization_names.begin());
}

void validate(const InitialWeights& weights, const ModelConfig& config) {
  if (weights.offsets.empty()) {
    return;
  }
  require_input(weights.kind == Initialization::needle && config.has_attention_bias,
                "model: positional_offsets need initialization = \"needle\" and has_attention_bias = true");
  require_input(std::ssize(weights.offsets) <= config.heads,
                fmt::format("model: there are {} positional_offsets and {} heads; give at most one a head",
                            weights.offsets.size(), config.heads));
  require_input(std::ranges::min(weights.offsets) >= 1, "model: positional_offsets are 1 token or more");
}

void initialize(const ModelConfig& config, const TensorLayout& tensor, const InitialWeights& initial,
                std::uint64_t seed, std::int64_t begin, std::span<float> values) {
  const Initialization initialization = initial.kind;
  if (tensor.global_shape.size() == 2) {
    draw_normals(tensor, standard_deviation(config, tensor, initialization), seed, begin, values);
    return;
  }
  const bool is_query = tensor.name == "model.layers.0.self_attn.q_proj.bias";
  const bool is_key = tensor.name == "model.layers.0.self_attn.k_proj.bias";
  if (initialization == Initialization::needle && (is_query || is_key)) {
    for (std::int64_t i = 0; i < std::ssize(values); ++i) {
      values[static_cast<std::size_t>(i)] =
          positional_bias(config, initial.offsets, is_query, tensor.global_index(begin + i));
    }
    return;
  }
  std::ranges::fill(values, tensor.name.ends_with(".bias") ? 0.0F : 1.0F);
}

}  // namespace ringworld
