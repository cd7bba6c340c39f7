#pragma once
/// @file  The configuration of a LLaMA-style language model, and LWM's values.
/// Source: Liu et al., "World Model on Million-Length Video And Language With Blockwise RingAttention",
/// arXiv:2402.08268, and its released configurations; Touvron et al., "LLaMA", arXiv:2302.13971.
/// Symbols: C hidden_size, F ffn_size, L layers, H heads, Hkv kv_heads, D head_size, V tokens of the vocabulary.

#include <array>
#include <cstdint>
#include <string_view>

#include "kernels/rope/rope.hpp"
#include "tokens/vocabulary.hpp"

namespace ringworld {

struct ModelConfig {
  std::int64_t hidden_size = 0;  ///< C
  std::int64_t ffn_size = 0;     ///< F
  std::int64_t layers = 0;       ///< L
  std::int64_t heads = 0;        ///< H
  std::int64_t kv_heads = 0;     ///< Hkv; H must be a multiple of it
  std::int64_t head_size = 0;    ///< D, usually C / H
  Vocabulary vocabulary;         ///< V tokens; each part has a table in the embedding and a head
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000.0;
  RopePairing rope_pairing = RopePairing::interleaved;
  AnglePrecision rope_precision = AnglePrecision::float32;
  RopeScaling rope_scaling{};
  bool is_head_tied = false;        ///< each part's head is its embedding, transposed
  bool has_attention_bias = false;  ///< of the query, key and value projections
  bool has_query_key_norm = false;  ///< each head's query and key is normalised before RoPE turns it, as in Qwen3
  std::int64_t sliding_window = 0;  ///< tokens that a query sees, itself among them; 0: all before it
  double initializer_range = 0.02;  ///< standard deviation of initial weights

  bool operator==(const ModelConfig&) const = default;
};

inline constexpr std::array<std::string_view, 9> model_preset_names{"debug", "200m", "1b",  "3b",    "7b",
                                                                    "13b",   "30b",  "65b", "needle"};

/// LWM's configuration of that name; `needle` is the tiny model that learns needle retrieval in minutes.
/// @throws Error(bad_input) naming the nearest preset.
[[nodiscard]] ModelConfig model_preset(std::string_view name);

/// @throws Error(bad_input) naming the first invalid value and what would be valid.
void validate(const ModelConfig& config);

/// Checks that every query of a sequence sees all tokens before it, which is what attention computes here.
/// @throws Error(bad_input) when the sequence is longer than the model's sliding window.
void require_within_window(const ModelConfig& config, std::int64_t tokens);

/// Trainable numbers of the whole model.
[[nodiscard]] std::int64_t parameter_count(const ModelConfig& config);

}  // namespace ringworld
