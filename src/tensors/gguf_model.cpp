#include "tensors/gguf_model.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "core/error.hpp"

namespace ringworld {

namespace {

struct Architecture {
  std::string_view name;
  bool is_reordered = false;        ///< rows of the query and key projections
  bool has_query_key_norm = false;  ///< of every head
};

/// Mistral's and SmolLM's files say llama.
constexpr std::array architectures{Architecture{.name = "llama", .is_reordered = true},
                                   Architecture{.name = "qwen2", .is_reordered = false},
                                   Architecture{.name = "qwen3", .is_reordered = false, .has_query_key_norm = true}};

struct Renaming {
  std::string_view gguf;
  std::string_view hugging_face;
};

/// Keys behind the architecture's name.
constexpr std::array key_names{Renaming{"embedding_length", "hidden_size"},
                               Renaming{"feed_forward_length", "intermediate_size"},
                               Renaming{"block_count", "num_hidden_layers"},
                               Renaming{"attention.head_count", "num_attention_heads"},
                               Renaming{"attention.head_count_kv", "num_key_value_heads"},
                               Renaming{"attention.key_length", "head_dim"},
                               Renaming{"attention.layer_norm_rms_epsilon", "rms_norm_eps"},
                               Renaming{"attention.sliding_window", "sliding_window"},
                               Renaming{"attention.causal", "is_causal"},
                               Renaming{"context_length", "max_position_embeddings"},
                               Renaming{"rope.freq_base", "rope_theta"},
                               Renaming{"rope.dimension_count", "rotary_dim"},
                               Renaming{"rope.scaling.type", "rope_scaling_type"},
                               Renaming{"rope.scaling.factor", "rope_scaling_factor"},
                               Renaming{"rope.scaling.original_context_length", "rope_scaling_original_context"},
                               Renaming{"rope.scaling.yarn_beta_fast", "rope_scaling_beta_fast"},
                               Renaming{"rope.scaling.yarn_beta_slow", "rope_scaling_beta_slow"},
                               Renaming{"rope.scale_linear", "rope_factor"},
                               Renaming{"expert_count", "num_experts"},
                               Renaming{"use_parallel_residual", "use_parallel_residual"},
                               Renaming{"logit_scale", "logit_scale"},
                               Renaming{"residual_scale", "residual_multiplier"},
                               Renaming{"embedding_scale", "embedding_multiplier"},
                               Renaming{"attention.scale", "attention_multiplier"},
                               Renaming{"attention.clamp_kqv", "clip_qkv"}};

/// Keys that say nothing new: the vocabulary's size is the embedding's, a value's the key's, and order of the data.
constexpr std::array<std::string_view, 5> silent_keys{"vocab_size", "attention.value_length", "tensor_data_layout",
                                                      "expert_used_count", "rope.scaling.finetuned"};

/// Numbers by which llama.cpp multiplies the cosines and sines of a yarn, besides yarn's own factor.
constexpr std::array<std::string_view, 2> growth_keys{"rope.scaling.attn_factor", "rope.scaling.yarn_attn_factor"};
/// How much of a yarn's frequencies are those of the model where it says so: all.
constexpr std::string_view extrapolation_key = "rope.scaling.yarn_ext_factor";

constexpr std::array tensor_names{Renaming{"token_embd.", "model.embed_tokens."},
                                  Renaming{"output_norm.", "model.norm."}, Renaming{"output.", "lm_head."}};

/// Behind "blk.<layer>.".
constexpr std::array layer_tensor_names{
    Renaming{"attn_norm.", "input_layernorm."},    Renaming{"ffn_norm.", "post_attention_layernorm."},
    Renaming{"attn_q.", "self_attn.q_proj."},      Renaming{"attn_k.", "self_attn.k_proj."},
    Renaming{"attn_v.", "self_attn.v_proj."},      Renaming{"attn_output.", "self_attn.o_proj."},
    Renaming{"attn_q_norm.", "self_attn.q_norm."}, Renaming{"attn_k_norm.", "self_attn.k_norm."},
    Renaming{"ffn_gate.", "mlp.gate_proj."},       Renaming{"ffn_up.", "mlp.up_proj."},
    Renaming{"ffn_down.", "mlp.down_proj."}};

template <std::size_t count>
std::string renamed(std::string_view name, const std::array<Renaming, count>& names) {
  for (const auto& [gguf, hugging_face] : names) {
    if (name.starts_with(gguf)) {
      return std::string(hugging_face) + std::string(name.substr(gguf.size()));
    }
  }
  return {};
}

const Architecture& architecture_of(const GgufHeader& header) {
  const auto said = header.keys.find("general.architecture");
  require_input(said != header.keys.end(), "it does not say its general.architecture");
  const auto name = as_text(said->second).value_or("");
  const auto* const found = std::ranges::find(architectures, name, &Architecture::name);
  if (found == architectures.end()) {
    std::vector<std::string_view> names;
    std::ranges::transform(architectures, std::back_inserter(names), &Architecture::name);
    throw Error(ErrorKind::bad_input, fmt::format("its architecture is '{}', where {} is read", name.substr(0, 40),
                                                  fmt::join(names, " or ")));
  }
  return *found;
}

std::optional<std::int64_t> integer_of(const GgufHeader& header, const std::string& key) {
  const auto found = header.keys.find(key);
  return found == header.keys.end() ? std::nullopt : as_integer(found->second);
}

}  // namespace

AttributeMap attributes_of_gguf(const GgufHeader& header) {
  const std::string prefix = std::string(architecture_of(header).name) + ".";
  AttributeMap attributes;
  for (const auto& [key, value] : header.keys) {
    if (!key.starts_with(prefix)) {
      continue;  // of the tokenizer, or of the file's history
    }
    const std::string_view name = std::string_view(key).substr(prefix.size());
    const auto* const known = std::ranges::find(key_names, name, &Renaming::gguf);
    const bool is_growth = std::ranges::find(growth_keys, name) != growth_keys.end();
    const bool is_whole_extrapolation = name == extrapolation_key && as_number(value) == 1.0;
    if (known != key_names.end()) {
      attributes.emplace(known->hugging_face, value);
    } else if (is_growth) {
      const auto growth = as_number(value);
      require_input(growth.has_value(), fmt::format("{} is {}, which is no number", key, describe(value)));
      auto& all = attributes.try_emplace("rope_scaling_attention_growth", AttributeValue(1.0)).first->second;
      all = *as_number(*all) * *growth;
    } else if (!is_whole_extrapolation && std::ranges::find(silent_keys, name) == silent_keys.end()) {
      throw Error(ErrorKind::bad_input,
                  fmt::format("it says {} = {}, which the model has no place for", key, describe(value)));
    }
  }
  const auto key_length = integer_of(header, prefix + "attention.key_length");
  const auto value_length = integer_of(header, prefix + "attention.value_length");
  require_input(key_length == value_length,
                fmt::format("its {0}attention.key_length and {0}attention.value_length differ", prefix));
  const auto embedding = header.tensors.find("token_embd.weight");
  require_input(embedding != header.tensors.end() && embedding->second.shape.size() == 2,
                "it has no tensor 'token_embd.weight' of two extents");
  const auto fill_in = [&](const char* name, AttributeValue value) { attributes.try_emplace(name, std::move(value)); };
  fill_in("vocab_size", embedding->second.shape.front());
  if (const auto heads = attributes.find("num_attention_heads"); heads != attributes.end() && heads->second) {
    fill_in("num_key_value_heads", *heads->second);
  }
  fill_in("rope_theta", 10000.0);
  fill_in("rope_pairing", std::string("half_split"));
  fill_in("tie_word_embeddings", !header.tensors.contains("output.weight"));
  fill_in("attention_bias", header.tensors.contains("blk.0.attn_q.bias"));
  fill_in("query_key_norm", architecture_of(header).has_query_key_norm);
  if (attributes.contains("rope_scaling_factor")) {
    fill_in("rope_scaling_type", std::string("linear"));  // as llama.cpp reads a factor alone
  }
  if (attributes.contains("rope_scaling_type") &&
      attributes["rope_scaling_type"] == AttributeValue(std::string("none"))) {
    attributes.erase("rope_scaling_type");
    attributes.erase("rope_scaling_factor");
  }
  return attributes;
}

std::string hugging_face_name(const std::string& name) {
  constexpr std::string_view layers = "blk.";
  std::string known;
  if (name.starts_with(layers)) {
    const std::size_t end = name.find('.', layers.size());
    if (end != std::string::npos) {
      const std::string rest = renamed(std::string_view(name).substr(end + 1), layer_tensor_names);
      known =
          rest.empty() ? "" : fmt::format("model.layers.{}.{}", name.substr(layers.size(), end - layers.size()), rest);
    }
  } else {
    known = renamed(name, tensor_names);
  }
  return known.empty() ? name : known;
}

std::int64_t reordered_heads(const std::string& hugging_face_name, const GgufHeader& header) {
  const Architecture& architecture = architecture_of(header);
  const bool is_query = hugging_face_name.find(".self_attn.q_proj.") != std::string::npos;
  const bool is_key = hugging_face_name.find(".self_attn.k_proj.") != std::string::npos;
  if (!architecture.is_reordered || (!is_query && !is_key)) {
    return 0;
  }
  const std::string prefix = std::string(architecture.name) + ".attention.";
  const auto heads = integer_of(header, prefix + "head_count").value_or(0);
  return is_query ? heads : integer_of(header, prefix + "head_count_kv").value_or(heads);
}

}  // namespace ringworld
