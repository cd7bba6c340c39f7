#pragma once
/// @file  A config.json of Hugging Face as attributes: the values of its keys, and what its programs take where a key
/// is missing.

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "io/attribute.hpp"

namespace ringworld {

/// By name; nothing for null.
using AttributeMap = std::map<std::string, std::optional<AttributeValue>>;

/// Lists and objects that are no plain lists become their JSON. What a Llama's configuration may leave out is filled
/// in: num_key_value_heads, attention_bias (true for qwen2), sliding_window (4096 for mistral, off for qwen2 and qwen3),
/// tie_word_embeddings, rms_norm_eps, rope_theta (also out of rope_parameters); and what no file has: query_key_norm (true
/// for qwen3) and rope_pairing, for weights in this form pair the halves of a head. LWM's words are known: theta,
/// vision_vocab_size.
/// @param what  the file, for messages
/// @throws ringworld::Error (bad_input) when the text is no JSON object.
[[nodiscard]] AttributeMap attributes_of_config(std::string_view text, const std::string& what);

}  // namespace ringworld
