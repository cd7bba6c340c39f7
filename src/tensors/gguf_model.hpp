#pragma once
/// @file  What a GGUF file says of a model, under the names that this program knows: attributes as a config.json has
/// them, parameters as Hugging Face names them.
/// Source: https://github.com/ggml-org/llama.cpp, gguf-py/gguf/constants.py; convert_hf_to_gguf.py, which reorders the
/// rows of a Llama's query and key projections, so that the pairs that RoPE turns stand side by side.

#include <cstdint>
#include <string>

#include "tensors/gguf_header.hpp"
#include "tensors/hugging_face_config.hpp"

namespace ringworld {

/// @throws ringworld::Error (bad_input) naming the architecture, or the key that a model here has no place for.
[[nodiscard]] AttributeMap attributes_of_gguf(const GgufHeader& header);

/// "blk.3.attn_q.weight" is "model.layers.3.self_attn.q_proj.weight"; names that are not known stay as they are.
[[nodiscard]] std::string hugging_face_name(const std::string& name);

/// The heads of a tensor whose rows are reordered; 0: they are not.
[[nodiscard]] std::int64_t reordered_heads(const std::string& hugging_face_name, const GgufHeader& header);

/// Where row `row` of Hugging Face's tensor lies in the file: of each head, element i of the first half and of the
/// second stand side by side.
[[nodiscard]] constexpr std::int64_t reordered_row(std::int64_t row, std::int64_t head_size) {
  const std::int64_t within = row % head_size;
  const std::int64_t half = head_size / 2;
  return row - within + 2 * (within % half) + within / half;
}

}  // namespace ringworld
