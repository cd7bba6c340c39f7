#include "model/flop.hpp"

#include "kernels/attention/cost.hpp"
#include "kernels/matmul/cost.hpp"

namespace ringworld {

double forward_flop_per_token(const ModelConfig& config, std::int64_t context_length, bool is_causal,
                              double head_fraction) {
  const std::int64_t projections = (2 * config.heads + 2 * config.kv_heads) * config.head_size;
  const double layer =
      matmul_flop(1, projections, config.hidden_size) + 3 * matmul_flop(1, config.ffn_size, config.hidden_size);
  const Cost attention_pass = cost_of_forward({.context_length = context_length,
                                               .heads = config.heads,
                                               .kv_heads = config.kv_heads,
                                               .head_size = config.head_size},
                                              is_causal);
  const double attention = attention_pass.flop / static_cast<double>(context_length);
  const double head = matmul_flop(1, config.vocabulary.size(), config.hidden_size) * head_fraction;
  return static_cast<double>(config.layers) * (layer + attention) + head;
}

double training_flop_per_token(const ModelConfig& config, std::int64_t context_length, bool is_causal,
                               double head_fraction) {
  return 3 * forward_flop_per_token(config, context_length, is_causal, head_fraction);
}

}  // namespace ringworld
