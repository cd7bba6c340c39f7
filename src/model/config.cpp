#include "model/config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.hpp"
#include "core/spelling.hpp"
#include "kernels/attention/attention.hpp"

namespace ringworld {
namespace {

constexpr std::int64_t lwm_vocab_size = 32000;

ModelConfig lwm(std::int64_t hidden_size, std::int64_t ffn_size, std::int64_t layers, std::int64_t heads) {
  return {.hidden_size = hidden_size,
          .ffn_size = ffn_size,
          .layers = layers,
          .heads = heads,
          .kv_heads = heads,
          .head_size = hidden_size / heads,
          .vocabulary = lwm_vocab_size};
}

ModelConfig lwm_65b() {
  ModelConfig config = lwm(8192, 22016, 80, 64);
  config.rms_norm_eps = 1e-5;
  return config;
}

ModelConfig needle() {
  ModelConfig config = lwm(64, 192, 2, 4);
  config.vocabulary = 1731;
  config.rms_norm_eps = 1e-5;
  config.rope_theta = 512.0;
  config.rope_pairing = RopePairing::half_split;
  config.is_head_tied = true;
  config.has_attention_bias = true;
  return config;
}

void require_positive(std::int64_t value, std::string_view name) {
  require_input(value > 0, fmt::format("model: {} is {}; give 1 or more", name, value));
}

}  // namespace

ModelConfig model_preset(std::string_view name) {
  const std::array<ModelConfig, model_preset_names.size()> presets{lwm(256, 256, 2, 2),
                                                                   lwm(1024, 2048, 14, 8),
                                                                   lwm(2048, 5504, 22, 16),
                                                                   lwm(3200, 8640, 26, 32),
                                                                   lwm(4096, 11008, 32, 32),
                                                                   lwm(5120, 13824, 40, 40),
                                                                   lwm(6656, 17920, 60, 52),
                                                                   lwm_65b(),
                                                                   needle()};
  const auto* const found = std::ranges::find(model_preset_names, name);
  if (found == model_preset_names.end()) {
    throw_unknown_name("model preset", name, model_preset_names);
  }
  return presets[static_cast<std::size_t>(found - model_preset_names.begin())];
}

void validate(const ModelConfig& config) {
  require_positive(config.hidden_size, "hidden_size");
  require_positive(config.ffn_size, "ffn_size");
  require_positive(config.layers, "layers");
  require_positive(config.heads, "heads");
  require_positive(config.kv_heads, "kv_heads");
  validate(config.vocabulary);
  require_input(config.heads % config.kv_heads == 0,
                fmt::format("model: {} heads cannot share {} kv_heads evenly; give a divisor of heads", config.heads,
                            config.kv_heads));
  require_input(
      config.head_size > 0 && config.head_size % 2 == 0,
      fmt::format("model: head_size is {}; give an even number, for rotary embeddings turn pairs", config.head_size));
  require_input(config.rms_norm_eps > 0 && std::isfinite(config.rms_norm_eps),
                fmt::format("model: rms_norm_eps is {}; give a positive number", config.rms_norm_eps));
  require_input(config.rope_theta > 0 && std::isfinite(config.rope_theta),
                fmt::format("model: rope_theta is {}; give a positive number", config.rope_theta));
  validate(config.rope_scaling, config.head_size);
  require_input(config.sliding_window >= 0,
                fmt::format("model: sliding_window is {}; give 0 (none) or more", config.sliding_window));
  require_input(config.initializer_range >= 0 && std::isfinite(config.initializer_range),
                fmt::format("model: initializer_range is {}; give 0 or more", config.initializer_range));
}

void require_within_window(const ModelConfig& config, std::int64_t tokens) {
  require_input(config.sliding_window == 0 || tokens <= config.sliding_window,
                fmt::format("model: a query sees {} tokens (sliding_window), and the sequence has {}; give at most {}",
                            config.sliding_window, tokens, config.sliding_window));
}

std::int64_t parameter_count(const ModelConfig& config) {
  const std::int64_t query = config.heads * config.head_size;
  const std::int64_t key_value = 2 * config.kv_heads * config.head_size;
  const std::int64_t matrices = config.hidden_size * (2 * query + key_value + 3 * config.ffn_size);
  const std::int64_t biases = config.has_attention_bias ? query + key_value : 0;
  const std::int64_t head_norms = config.has_query_key_norm ? 2 * config.head_size : 0;
  const std::int64_t layer = matrices + biases + head_norms + 2 * config.hidden_size;
  const std::int64_t table = config.vocabulary.size() * config.hidden_size;
  return config.layers * layer + config.hidden_size + (config.is_head_tied ? 1 : 2) * table;
}

}  // namespace ringworld
