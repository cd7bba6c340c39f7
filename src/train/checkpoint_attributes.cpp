#include "train/checkpoint_attributes.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/log.hpp"
#include "core/spelling.hpp"
#include "model/parameter_layout.hpp"

namespace ringworld {
namespace {

/// The data against which an attribute's value is checked.
struct Context {
  const TensorSource& source;
  const ModelConfig& config;
};

using Accepts = bool (*)(const AttributeValue&, const Context&);

/// The value as lower-case text without blanks and quotes, where it is text or a list of one text.
std::string plain_text(const AttributeValue& value) {
  std::string text = as_text(value).value_or("");
  std::erase_if(text,
                [](char letter) { return std::string_view(" \t\r\n\"'").find(letter) != std::string_view::npos; });
  std::ranges::transform(text, text.begin(), [](char letter) {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
  });
  return text;
}

bool is_text(const AttributeValue& value, std::span<const std::string_view> accepted) {
  return as_text(value).has_value() && std::ranges::find(accepted, plain_text(value)) != accepted.end();
}

/// How programs write Python's None, and lists and objects with nothing in them.
bool is_nothing(const AttributeValue& value) {
  constexpr std::array<std::string_view, 5> spellings{"", "none", "null", "{}", "[]"};
  const auto* const texts = std::get_if<std::vector<std::string>>(&value);
  const auto* const integers = std::get_if<std::vector<std::int64_t>>(&value);
  const auto* const numbers = std::get_if<std::vector<double>>(&value);
  return is_text(value, spellings) || (texts != nullptr && texts->empty()) ||
         (integers != nullptr && integers->empty()) || (numbers != nullptr && numbers->empty());
}

bool anything(const AttributeValue& /*value*/, const Context& /*context*/) { return true; }

bool nothing(const AttributeValue& value, const Context& /*context*/) { return is_nothing(value); }

bool off(const AttributeValue& value, const Context& /*context*/) {
  return is_nothing(value) || as_boolean(value) == false || as_number(value) == 0.0;
}

bool on(const AttributeValue& value, const Context& /*context*/) { return as_boolean(value) == true; }

bool one(const AttributeValue& value, const Context& /*context*/) {
  return is_nothing(value) || as_number(value) == 1.0;
}

bool at_most_one(const AttributeValue& value, const Context& /*context*/) {
  return is_nothing(value) || as_number(value).value_or(2.0) <= 1.0;
}

bool silu(const AttributeValue& value, const Context& /*context*/) {
  constexpr std::array<std::string_view, 2> names{"silu", "swish"};
  return is_text(value, names);
}

bool rotary(const AttributeValue& value, const Context& /*context*/) {
  constexpr std::array<std::string_view, 3> names{"rope", "rotary", "default"};
  return is_text(value, names);
}

bool rms_norm(const AttributeValue& value, const Context& /*context*/) {
  constexpr std::array<std::string_view, 2> names{"rms_norm", "rmsnorm"};
  return is_text(value, names);
}

/// Models whose arithmetic is the same, where their other attributes are accepted too.
bool llama_kin(const AttributeValue& value, const Context& /*context*/) {
  constexpr std::array<std::string_view, 8> kin{"llama", "lwm",   "video_llama", "mistral",
                                                "qwen2", "qwen3", "open_llama",  "ringworld"};
  return is_nothing(value) || is_text(value, kin);
}

bool same_bias(const AttributeValue& value, const Context& context) {
  return as_boolean(value) == context.config.has_attention_bias;
}

bool head_size(const AttributeValue& value, const Context& context) {
  return is_nothing(value) || as_integer(value) == context.config.head_size;
}

/// The items of a list of texts, or of one text that lists them in JSON or in Python's words; in lower case, unquoted.
std::vector<std::string> items_of(const AttributeValue& value) {
  if (const auto* const texts = std::get_if<std::vector<std::string>>(&value)) {
    std::vector<std::string> items;
    for (const std::string& text : *texts) {
      items.push_back(plain_text(AttributeValue(text)));
    }
    return items;
  }
  std::string text = plain_text(value);
  std::erase_if(text, [](char letter) { return std::string_view("[]()").find(letter) != std::string_view::npos; });
  std::vector<std::string> items;
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), item.size() + 1));
    items.emplace_back(item);
  }
  return items;
}

/// Layers with a window see all that those without do, in every sequence that fits the window.
bool full_attention(const AttributeValue& value, const Context& context) {
  const bool has_window = context.config.sliding_window > 0;
  const auto layers = items_of(value);
  return is_nothing(value) || (!layers.empty() && std::ranges::all_of(layers, [&](const std::string& layer) {
           return layer == "full_attention" || (has_window && layer == "sliding_attention");
         }));
}

/// Classes of programs by whose arithmetic the weights were trained.
bool llama_classes(const AttributeValue& value, const Context& /*context*/) {
  constexpr std::array<std::string_view, 8> kin{"llama",   "flaxllama", "flaxvideollama", "lwm",
                                                "mistral", "qwen2",     "qwen3",          "openllama"};
  constexpr std::string_view use = "forcausallm";
  const auto classes = items_of(value);
  return is_nothing(value) || (!classes.empty() && std::ranges::all_of(classes, [&](const std::string& name) {
           return name.ends_with(use) && std::ranges::find(kin, name.substr(0, name.size() - use.size())) != kin.end();
         }));
}

/// A number of tokens, which is read, or one that another attribute switches off.
bool window(const AttributeValue& value, const Context& context) {
  const auto use = context.source.attribute("use_sliding_window");
  return off(value, context) || (use.has_value() && as_boolean(*use) == false) || context.config.sliding_window > 0;
}

/// A number that multiplies yarn's own attention factor.
bool of_yarn(const AttributeValue& value, const Context& context) {
  return context.config.rope_scaling.kind == RopeScalingKind::yarn || one(value, context);
}

/// Off, or on with a window.
bool window_use(const AttributeValue& value, const Context& context) {
  return off(value, context) || (as_boolean(value) == true && context.config.sliding_window > 0);
}

/// None, or an object in JSON that says no more than the default RoPE and the theta that is in force.
bool default_rope(const AttributeValue& value, const Context& context) {
  if (is_nothing(value)) {
    return true;
  }
  const std::string text = plain_text(value);
  if (text == "default") {
    return true;
  }
  if (!text.starts_with('{') || !text.ends_with('}')) {
    return false;
  }
  std::string_view rest = std::string_view(text).substr(1, text.size() - 2);
  while (!rest.empty()) {
    const std::string_view member = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), member.size() + 1));
    if (member == "rope_type:default" || member == "type:default") {
      continue;
    }
    constexpr std::string_view theta = "rope_theta:";
    double number = 0;
    const char* const end = member.data() + member.size();
    if (!member.starts_with(theta) || std::from_chars(member.data() + theta.size(), end, number).ptr != end ||
        number != context.config.rope_theta) {
      return false;
    }
  }
  return true;
}

struct KnownAttribute {
  std::string_view name;
  Accepts accepts;
  std::string_view accepted;  ///< what it may say, for the error; empty: whatever it says changes nothing, or is read
};

/// Programs mean different norms by these names.
constexpr std::string_view head_norms_alone =
    "false: queries and keys are normalised as in Qwen3, which query_key_norm says, or not at all";

/// Everything that files say of a model. Sorted by what it is about; a name stands once.
constexpr std::array known_attributes{
    // Read, by read_model_config.
    KnownAttribute{"hidden_size", anything, ""},
    KnownAttribute{"intermediate_size", anything, ""},
    KnownAttribute{"num_hidden_layers", anything, ""},
    KnownAttribute{"num_attention_heads", anything, ""},
    KnownAttribute{"num_key_value_heads", anything, ""},
    KnownAttribute{"head_dim", anything, ""},
    KnownAttribute{"vocab_size", anything, ""},
    KnownAttribute{"vocabulary", anything, ""},
    KnownAttribute{"rms_norm_eps", anything, ""},
    KnownAttribute{"rope_theta", anything, ""},
    KnownAttribute{"rope_pairing", anything, ""},
    KnownAttribute{"rope_precision", anything, ""},
    KnownAttribute{"rope_scaling_type", anything, ""},
    KnownAttribute{"rope_scaling_factor", anything, ""},
    KnownAttribute{"rope_scaling_original_context", anything, ""},
    KnownAttribute{"rope_scaling_low_frequency_factor", anything, ""},
    KnownAttribute{"rope_scaling_high_frequency_factor", anything, ""},
    KnownAttribute{"rope_scaling_beta_fast", anything, ""},
    KnownAttribute{"rope_scaling_beta_slow", anything, ""},
    KnownAttribute{"rope_scaling_attention_factor", anything, ""},
    KnownAttribute{"rope_scaling_attention_growth", of_yarn, "1, for a scaling that is no yarn"},
    KnownAttribute{"tie_word_embeddings", anything, ""},
    KnownAttribute{"rope_scaling_pair_factors", anything, ""},
    KnownAttribute{"attention_bias", anything, ""},
    KnownAttribute{"query_key_norm", anything, ""},
    KnownAttribute{"initializer_range", anything, ""},
    // Read, by read_description and read_progress.
    KnownAttribute{"seed", anything, ""},
    KnownAttribute{"context_length", anything, ""},
    KnownAttribute{"schedule", anything, ""},
    KnownAttribute{"stage", anything, ""},
    KnownAttribute{"task", anything, ""},
    KnownAttribute{"needle_template", anything, ""},  // in files from before `task`
    KnownAttribute{"tokenizer", anything, ""},
    KnownAttribute{"settings", anything, ""},
    KnownAttribute{"frame_tokenizer", anything, ""},
    KnownAttribute{"frame_tokenizer_digest", anything, ""},
    KnownAttribute{"step", anything, ""},
    KnownAttribute{"is_stage_done", anything, ""},
    KnownAttribute{"optimizer_updates", anything, ""},
    KnownAttribute{"accuracy_average", anything, ""},
    KnownAttribute{"elapsed", anything, ""},
    KnownAttribute{"stage_seconds", anything, ""},
    KnownAttribute{"reshard_seconds", anything, ""},
    KnownAttribute{"checkpoint_seconds", anything, ""},
    KnownAttribute{"flop_causal", anything, ""},
    // Positions.
    KnownAttribute{"rope_scaling", default_rope,
                   "none, or of type linear, llama3, yarn or dynamic with the keys of its source"},
    KnownAttribute{"rope_parameters", default_rope,
                   "none, or type default, linear, llama3, yarn or dynamic with the keys of its source"},
    KnownAttribute{"rope_type", default_rope, "default: RoPE is not scaled"},
    KnownAttribute{"rope_factor", one, "1: RoPE is not scaled"},
    KnownAttribute{"rope_local_base_freq", nothing, "none: all layers have one theta"},
    KnownAttribute{"partial_rotary_factor", one, "1: RoPE turns every element of a head"},
    KnownAttribute{"rotary_pct", one, "1: RoPE turns every element of a head"},
    KnownAttribute{"rotary_dim", head_size, "the head size: RoPE turns every element of a head"},
    KnownAttribute{"no_rope_layers", nothing, "none: RoPE is in every layer"},
    KnownAttribute{"no_rope_layer_interval", off, "none: RoPE is in every layer"},
    KnownAttribute{"position_embedding_type", rotary, "rope"},
    KnownAttribute{"alibi", off, "false: positions are told by RoPE"},
    // Attention.
    KnownAttribute{"sliding_window", window, "none, or the number of tokens that a query sees"},
    KnownAttribute{"use_sliding_window", window_use, "false, or true where sliding_window says how many tokens"},
    KnownAttribute{"sliding_window_pattern", off, "none: a query sees all tokens before it"},
    KnownAttribute{"attention_window_size", off, "none: a query sees all tokens before it"},
    KnownAttribute{"attention_chunk_size", off, "none: a query sees all tokens before it"},
    KnownAttribute{"layer_types", full_attention, "full_attention in every layer, or sliding_attention with a window"},
    KnownAttribute{"is_causal", on, "true: a query sees no later token"},
    KnownAttribute{"qkv_bias", same_bias, "the same as attention_bias"},
    KnownAttribute{"use_qkv_bias", same_bias, "the same as attention_bias"},
    KnownAttribute{"attention_out_bias", off, "false: the output projection has no bias"},
    KnownAttribute{"use_qk_norm", off, head_norms_alone},
    KnownAttribute{"qk_norm", off, head_norms_alone},
    KnownAttribute{"qk_layernorm", off, head_norms_alone},
    KnownAttribute{"q_norm", off, head_norms_alone},
    KnownAttribute{"k_norm", off, head_norms_alone},
    KnownAttribute{"clip_qkv", off, "none: queries, keys and values are not clipped"},
    KnownAttribute{"attn_logit_softcapping", off, "none: scores are not capped"},
    KnownAttribute{"attention_multiplier", nothing, "none: scores are scaled by 1/sqrt(head size)"},
    KnownAttribute{"query_pre_attn_scalar", head_size, "the head size: scores are scaled by 1/sqrt of it"},
    KnownAttribute{"attention_sinks", off, "none: the softmax has no sink"},
    // Layers.
    KnownAttribute{"hidden_act", silu, "silu"},
    KnownAttribute{"hidden_activation", silu, "silu"},
    KnownAttribute{"activation_function", silu, "silu"},
    KnownAttribute{"mlp_bias", off, "false: the feed-forward products have no bias"},
    KnownAttribute{"use_bias", off, "false: only queries, keys and values have biases"},
    KnownAttribute{"norm_type", rms_norm, "rms_norm"},
    KnownAttribute{"parallel_attn", off, "false: the feed-forward part follows attention"},
    KnownAttribute{"parallel_attention", off, "false: the feed-forward part follows attention"},
    KnownAttribute{"use_parallel_residual", off, "false: the feed-forward part follows attention"},
    KnownAttribute{"num_experts", at_most_one, "none: the feed-forward part is dense"},
    KnownAttribute{"num_local_experts", at_most_one, "none: the feed-forward part is dense"},
    KnownAttribute{"n_routed_experts", at_most_one, "none: the feed-forward part is dense"},
    KnownAttribute{"residual_multiplier", one, "1"},
    KnownAttribute{"embedding_multiplier", one, "1"},
    KnownAttribute{"scale_embedding", off, "false: the embedding is not scaled"},
    KnownAttribute{"logits_scaling", one, "1"},
    KnownAttribute{"logit_scale", one, "1"},
    KnownAttribute{"final_logit_softcapping", off, "none: logits are not capped"},
    KnownAttribute{"lm_head_bias", off, "false: the head has no bias"},
    KnownAttribute{"is_encoder_decoder", off, "false"},
    KnownAttribute{"add_cross_attention", off, "false"},
    KnownAttribute{"quantization_config", nothing, "none: weights are floating-point numbers"},
    KnownAttribute{"architectures", llama_classes,
                   "LlamaForCausalLM, or that of mistral, qwen2, qwen3, open_llama, lwm, whose arithmetic is known"},
    KnownAttribute{"model_type", llama_kin,
                   "llama, or mistral, qwen2, qwen3, open_llama, lwm, whose arithmetic is known"},
    KnownAttribute{"tie_vision_embeddings", off, "false: the vision head has weights of its own"},
    // Dropout has no part in what a trained model answers; a rate would be missing in its gradients.
    KnownAttribute{"attention_dropout", off, "0: there is no dropout"},
    KnownAttribute{"hidden_dropout", off, "0: there is no dropout"},
    KnownAttribute{"attn_pdrop", off, "0: there is no dropout"},
    KnownAttribute{"embd_pdrop", off, "0: there is no dropout"},
    KnownAttribute{"resid_pdrop", off, "0: there is no dropout"},
    // Attributes that other programs use for bookkeeping.
    KnownAttribute{"auto_map", anything, ""},
    KnownAttribute{"bos_token_id", anything, ""},
    KnownAttribute{"chunk_size_feed_forward", anything, ""},
    KnownAttribute{"dtype", anything, ""},
    KnownAttribute{"eos_token_id", anything, ""},
    KnownAttribute{"format", anything, ""},
    KnownAttribute{"is_decoder", anything, ""},
    KnownAttribute{"max_position_embeddings", anything, ""},
    KnownAttribute{"max_sequence_length", anything, ""},
    KnownAttribute{"max_window_layers", anything, ""},
    KnownAttribute{"_model_name_or_path", anything, ""},
    KnownAttribute{"_name_or_path", anything, ""},
    KnownAttribute{"name_or_path", anything, ""},
    KnownAttribute{"pad_token_id", anything, ""},
    KnownAttribute{"pretraining_tp", anything, ""},
    KnownAttribute{"tokenizer_class", anything, ""},
    KnownAttribute{"torch_dtype", anything, ""},
    KnownAttribute{"transformers_version", anything, ""},
    KnownAttribute{"unk_token_id", anything, ""},
    KnownAttribute{"use_cache", anything, ""},
    // How LWM's programs share work.
    KnownAttribute{"mesh_dim", anything, ""},
    KnownAttribute{"param_scan_axis", anything, ""},
    KnownAttribute{"remat_attention", anything, ""},
    KnownAttribute{"remat_block", anything, ""},
    KnownAttribute{"remat_mlp", anything, ""},
    KnownAttribute{"sample_mode", anything, ""},
    KnownAttribute{"scan_attention", anything, ""},
    KnownAttribute{"scan_key_chunk_size", anything, ""},
    KnownAttribute{"scan_layers", anything, ""},
    KnownAttribute{"scan_mlp", anything, ""},
    KnownAttribute{"scan_mlp_chunk_size", anything, ""},
    KnownAttribute{"scan_query_chunk_size", anything, ""},
};

constexpr std::size_t most_named = 8;

/// "'a', 'b' and 3 more"
std::string join_some(std::span<const std::string> names) {
  const auto shown = names.first(std::min(names.size(), most_named));
  std::string text = fmt::format("'{}'", fmt::join(shown, "', '"));
  if (names.size() > most_named) {
    text += fmt::format(" and {} more", names.size() - most_named);
  }
  return text;
}

[[noreturn]] void refuse(const TensorSource& source, const std::string& why) {
  throw Error(ErrorKind::bad_input, fmt::format("'{}' {}", source.path().string(), why)).as_collective();
}

void warn(const TensorSource& source, const std::string& what) {
  if (source.communicator().is_root()) {
    log_warning(fmt::format("'{}' {}", source.path().string(), what));
  }
}

/// Why a model of this configuration has no place for a parameter of this name.
std::string reason_against(const std::string& name, const ModelConfig& config) {
  constexpr std::string_view layers = "model.layers.";
  if (name.starts_with(layers)) {
    std::int64_t layer = 0;
    const char* const digits = name.data() + layers.size();
    const auto [end, failure] = std::from_chars(digits, name.data() + name.size(), layer);
    if (failure == std::errc{} && layer >= config.layers) {
      return fmt::format("num_hidden_layers is {}", config.layers);
    }
  }
  const auto ends = [&](std::string_view ending) { return name.ends_with(ending); };
  if (name == "lm_head.weight" && config.is_head_tied) {
    return "tie_word_embeddings is true";
  }
  if (ends("q_proj.bias") || ends("k_proj.bias") || ends("v_proj.bias")) {
    return "attention_bias is false";
  }
  if (ends(".bias")) {
    return "only queries, keys and values can have biases";
  }
  if (ends("q_norm.weight") || ends("k_norm.weight")) {
    return "query_key_norm is false";
  }
  if (ends("inv_freq")) {
    return "RoPE's frequencies follow from rope_theta; leave them out if they are theta^(-2i/D)";
  }
  if (name.find("lora_") != std::string::npos) {
    return "adapters must be merged into the weights first";
  }
  return "a Llama has no such parameter";
}

/// Other datasets that `ringworld train` writes and `ringworld score` reads.
bool is_companion(std::string_view name, const std::set<std::string>& parameters) {
  for (const std::string_view group : {"optimizer/first_moment/", "optimizer/second_moment/"}) {
    if (name.starts_with(group)) {
      return parameters.contains(std::string(name.substr(group.size())));
    }
  }
  return name == "tokens" || name == "segment_ids" || name == "loss_mask";
}

}  // namespace

void require_known_attributes(const TensorSource& source, const ModelConfig& config) {
  const Context context{.source = source, .config = config};
  std::vector<std::string> unknown;
  for (const std::string& name : source.attribute_names()) {
    const auto* const known = std::ranges::find(known_attributes, std::string_view(name), &KnownAttribute::name);
    if (known == known_attributes.end()) {
      unknown.push_back(name);
      continue;
    }
    if (known->accepted.empty()) {
      continue;
    }
    const auto value = source.attribute(name);  // an empty one says nothing
    if (value.has_value() && !known->accepts(*value, context)) {
      refuse(source, fmt::format("says {} = {}, which the model does not do; it can be {}", name, describe(*value),
                                 known->accepted));
    }
  }
  if (!unknown.empty()) {
    warn(source, fmt::format("has attributes that are not understood, and have no effect: {}", join_some(unknown)));
  }
}

void require_known_tensors(const TensorSource& source, const ModelConfig& config) {
  // Before the layout: the number of layers may be any.
  const std::string last = fmt::format("model.layers.{}.input_layernorm.weight", config.layers - 1);
  if (!source.has(last)) {
    refuse(source, fmt::format("has no dataset '{}', though num_hidden_layers is {}", last, config.layers));
  }
  std::set<std::string> parameters;
  const ParameterLayout layout(config, 1, 0);
  for (const UnitLayout& unit : layout.units()) {
    for (const TensorLayout& tensor : unit.tensors) {
      source.require_tensor(tensor.name, tensor.global_shape);  // before a model of this size takes memory
      parameters.insert(tensor.name);
    }
  }
  std::vector<std::string> refused;
  std::vector<std::string> unread;
  for (const std::string& name : source.names()) {
    if (parameters.contains(name) || is_companion(name, parameters)) {
      continue;
    }
    // A parameter stands in the root, or in the optimiser's groups, and has a module's name.
    const bool is_named_as_parameter = name.find('.') != std::string::npos && name.find('/') == std::string::npos;
    (is_named_as_parameter || name.starts_with("optimizer/") ? refused : unread).push_back(name);
  }
  if (!refused.empty()) {
    refuse(source, fmt::format("has {}, for which the model that it describes has no place: {}", join_some(refused),
                               reason_against(refused.front().substr(refused.front().rfind('/') + 1), config)));
  }
  if (!unread.empty()) {
    warn(source, fmt::format("has datasets that are no parameters, and are not read: {}", join_some(unread)));
  }
}

}  // namespace ringworld
