#pragma once
/// @file  Which tensors a model has, in which order, and which part of each a tensor-parallel rank holds.
///
///   unit 0        model.embed_tokens.weight, then of each further part of the vocabulary model.embed_<part>.weight
///   unit 1 .. L   model.layers.<l>. input_layernorm, q|k|v weights, q|k|v biases, o_proj, post_attention_layernorm,
///                 gate|up weights, down_proj        (what stands side by side is multiplied in one product)
///   unit L + 1    model.norm.weight, lm_head.weight, then <part>_head.weight (unless the head is tied)
///
/// Names and (out, in) shapes are those of Hugging Face's Llama; those of further parts are ours.

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
  /// How many elements, starting at `local`, are contiguous in the global tensor too.
  [[nodiscard]] std::int64_t run_length(std::int64_t local) const;
};

/// The tensors that are gathered, used and reduced together.
struct UnitLayout {
  std::vector<TensorLayout> tensors;
  std::int64_t elements = 0;  ///< tp-local, of all tensors

  /// The tensor whose name ends in `ending`.
  /// @throws Error when there is none.
  [[nodiscard]] const TensorLayout& tensor(std::string_view ending) const;
};

/// One part of the vocabulary on one tensor-parallel rank.
///
///   global ids   text 0 ............ 31999 | vision 32000 ..... 40447
///   tp rank 0    [ 0 .. 15999 ]              [ 32000 .. 36223 ]          one table: row 0 .. 15999, 16000 .. 20223
///   tp rank 1        [ 16000 .. 31999 ]           [ 36224 .. 40447 ]     the same rows
struct PartSlice {
  VocabularyPart part;
  std::int64_t begin = 0;  ///< first token of the slice, counted from the part's first
  std::int64_t count = 0;
  std::int64_t row = 0;  ///< row of that token in the rank's table

  /// Global id of the slice's first token.
  [[nodiscard]] std::int64_t first_token() const { return part.begin + begin; }
};

/// Which tokens one tensor-parallel rank holds: a slice of every part, so that all ranks have work in every head.
class VocabularySlices {
 public:
  VocabularySlices() = default;
  VocabularySlices(const Vocabulary& vocabulary, std::int64_t tp_ranks, std::int64_t tp_rank);

  [[nodiscard]] const std::vector<PartSlice>& parts() const { return parts_; }
  /// Rows of the rank's table.
  [[nodiscard]] std::int64_t rows() const { return parts_.back().row + parts_.back().count; }
  [[nodiscard]] std::int64_t largest_part() const;
  /// Row of the rank's table that holds the token; negative when another rank has it.
  [[nodiscard]] std::int32_t row_of(std::int32_t token) const;

 private:
  std::vector<PartSlice> parts_;
};

/// The tensors of rank `tp_rank` of `tp_ranks`.
class ParameterLayout {
 public:
  /// @throws Error(bad_input) when the configuration is invalid, or heads, kv_heads or ffn_size do not divide by
  ///         tp_ranks. The parts of the vocabulary need not: their slices differ by at most one.
  ParameterLayout(const ModelConfig& config, std::int64_t tp_ranks, std::int64_t tp_rank);

  [[nodiscard]] const ModelConfig& config() const { return config_; }
  [[nodiscard]] const std::vector<UnitLayout>& units() const { return units_; }
  [[nodiscard]] std::int64_t unit_count() const { return static_cast<std::int64_t>(units_.size()); }
  [[nodiscard]] const UnitLayout& unit(std::int64_t index) const { return units_[static_cast<std::size_t>(index)]; }

  static constexpr std::int64_t embedding_unit = 0;
  [[nodiscard]] static std::int64_t layer_unit(std::int64_t layer) { return 1 + layer; }
  [[nodiscard]] std::int64_t final_unit() const { return unit_count() - 1; }
  /// Offset of the head's weights: those of the embedding when tied.
  [[nodiscard]] std::int64_t head_unit() const { return config_.is_head_tied ? embedding_unit : final_unit(); }
  /// Where the table that tokens are looked up in begins in its unit: (rows of `vocabulary`, C), the parts in order.
  [[nodiscard]] static std::int64_t embedding_offset() { return 0; }
  /// Where the table of the heads begins in its unit; the same rows.
  [[nodiscard]] std::int64_t head_offset() const { return config_.is_head_tied ? 0 : config_.hidden_size; }
  /// The rows of both that this tp rank has.
  [[nodiscard]] const VocabularySlices& vocabulary() const { return vocabulary_; }

 private:
  ModelConfig config_;
  VocabularySlices vocabulary_;
  std::vector<UnitLayout> units_;
};

}  // namespace ringworld
