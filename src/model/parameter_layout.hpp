#pragma once
/// @file  Which tensors a model has, in which order, and which part of each a tensor-parallel rank holds.
///
///   unit 0        model.embed_tokens.weight
///   unit 1 .. L   model.layers.<l>. input_layernorm, q|k|v weights, q|k|v biases, o_proj, post_attention_layernorm,
///                 gate|up weights, down_proj        (what stands side by side is multiplied in one product)
///   unit L + 1    model.norm.weight, lm_head.weight (unless the head is tied)
///
/// Names and (out, in) shapes are those of Hugging Face's Llama.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.hpp"

namespace ringworld {

/// The part of a tensor that one tensor-parallel rank holds: `begin <= index < begin + count` along `axis`.
struct TensorSlice {
  static constexpr int no_axis = -1;

  int axis = no_axis;  ///< no_axis: every rank holds the whole tensor, and all must stay identical
  std::int64_t begin = 0;
  std::int64_t count = 0;

  [[nodiscard]] bool is_replicated() const { return axis == no_axis; }
};

struct TensorLayout {
  std::string name;                        ///< as Hugging Face: model.layers.0.self_attn.q_proj.weight
  std::vector<std::int64_t> global_shape;  ///< (out, in), or (n) for norms and biases
  TensorSlice slice;
  bool is_decayed = false;  ///< matrices but the embedding
  std::int64_t offset = 0;  ///< of the first element, in the flat tp-local unit

  [[nodiscard]] std::vector<std::int64_t> local_shape() const;
  [[nodiscard]] std::int64_t local_elements() const;
  [[nodiscard]] std::int64_t global_elements() const;
  /// Where element `local` of the flat tp-local tensor lies in the flat global tensor.
  [[nodiscard]] std::int64_t global_index(std::int64_t local) const;
  /// How many elements from `local` on lie side by side in the global tensor too.
  [[nodiscard]] std::int64_t run_length(std::int64_t local) const;
};

/// What is gathered, computed with and reduced as one.
struct UnitLayout {
  std::vector<TensorLayout> tensors;
  std::int64_t elements = 0;  ///< tp-local, of all tensors

  /// The tensor whose name ends in `ending`.
  /// @throws Error when there is none.
  [[nodiscard]] const TensorLayout& tensor(std::string_view ending) const;
};

/// The tensors of rank `tp_rank` of `tp_ranks`.
class ParameterLayout {
 public:
  /// @throws Error(bad_input) when the configuration cannot be, or heads, kv_heads or ffn_size do not divide by
  ///         tp_ranks. The vocabulary need not: its slices differ by at most one.
  ParameterLayout(const ModelConfig& config, std::int64_t tp_ranks, std::int64_t tp_rank);

  [[nodiscard]] const ModelConfig& config() const { return config_; }
  [[nodiscard]] const std::vector<UnitLayout>& units() const { return units_; }
  [[nodiscard]] std::int64_t unit_count() const { return static_cast<std::int64_t>(units_.size()); }
  [[nodiscard]] const UnitLayout& unit(std::int64_t index) const { return units_[static_cast<std::size_t>(index)]; }

  static constexpr std::int64_t embedding_unit = 0;
  [[nodiscard]] static std::int64_t layer_unit(std::int64_t layer) { return 1 + layer; }
  [[nodiscard]] std::int64_t final_unit() const { return unit_count() - 1; }
  /// Where the head's weights are: the embedding's when tied.
  [[nodiscard]] std::int64_t head_unit() const { return config_.is_head_tied ? embedding_unit : final_unit(); }
  /// (V, C): the table that tokens are looked up in, and that of the head, which may be the same.
  [[nodiscard]] const TensorLayout& embedding_tensor() const {
    return unit(embedding_unit).tensor("embed_tokens.weight");
  }
  [[nodiscard]] const TensorLayout& head_tensor() const {
    return unit(head_unit()).tensor(config_.is_head_tied ? "embed_tokens.weight" : "lm_head.weight");
  }
  /// The rows of both that this tp rank has.
  [[nodiscard]] TensorSlice vocabulary() const { return embedding_tensor().slice; }

 private:
  ModelConfig config_;
  std::vector<UnitLayout> units_;
};

}  // namespace ringworld
