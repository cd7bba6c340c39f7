#include "tensors/hugging_face_config.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <utility>
#include <vector>

#include "tensors/json_text.hpp"

namespace ringworld {

namespace {

using Json = nlohmann::ordered_json;

bool is_int64(const Json& value) {
  return value.is_number_integer() &&
         (!value.is_number_unsigned() || value.get<std::uint64_t>() <= std::numeric_limits<std::int64_t>::max());
}

std::optional<AttributeValue> attribute_of(const Json& value) {
  const auto all = [&](auto&& is_it) { return !value.empty() && std::ranges::all_of(value, is_it); };
  if (value.is_null()) {
    return std::nullopt;
  }
  if (value.is_boolean()) {
    return value.get<bool>();
  }
  if (is_int64(value)) {
    return value.get<std::int64_t>();
  }
  if (value.is_number()) {
    return value.get<double>();
  }
  if (value.is_string()) {
    return value.get<std::string>();
  }
  if (value.is_array() && all([](const Json& item) { return item.is_string(); })) {
    return value.get<std::vector<std::string>>();
  }
  if (value.is_array() && all(is_int64)) {
    return value.get<std::vector<std::int64_t>>();
  }
  if (value.is_array() && all([](const Json& item) { return item.is_number(); })) {
    return value.get<std::vector<double>>();
  }
  return value.dump();
}

struct ScalingKey {
  std::string_view hugging_face;
  std::string_view attribute;
};

/// Keys of a scaling of RoPE that say numbers.
constexpr std::array scaling_keys{ScalingKey{"factor", "rope_scaling_factor"},
                                  ScalingKey{"original_max_position_embeddings", "rope_scaling_original_context"},
                                  ScalingKey{"low_freq_factor", "rope_scaling_low_frequency_factor"},
                                  ScalingKey{"high_freq_factor", "rope_scaling_high_frequency_factor"},
                                  ScalingKey{"beta_fast", "rope_scaling_beta_fast"},
                                  ScalingKey{"beta_slow", "rope_scaling_beta_slow"},
                                  ScalingKey{"attention_factor", "rope_scaling_attention_factor"}};

/// A longrope whose factors are the same in short sequences and long ones scales each pair by one number.
bool flatten_pair_factors(AttributeMap& attributes, const Json& scaling) {
  const auto has = [&](const char* key, const Json& value) {
    const auto found = scaling.find(key);
    return found != scaling.end() && *found == value;
  };
  const auto factors = scaling.find("short_factor");
  const bool is_same = (has("rope_type", "longrope") || has("type", "longrope")) && factors != scaling.end() &&
                       has("long_factor", *factors) && has("attention_factor", 1.0) && factors->is_array() &&
                       !factors->empty() &&
                       std::ranges::all_of(*factors, [](const Json& factor) { return factor.is_number(); });
  if (is_same) {
    attributes["rope_scaling_type"] = std::string("per_pair");
    attributes["rope_scaling_pair_factors"] = factors->get<std::vector<double>>();
  }
  return is_same;
}

/// Replaces the object by an attribute a key, if each of its keys is known; else leaves it as it is, to be refused.
void flatten_scaling(AttributeMap& attributes, const Json& config, const char* name) {
  constexpr std::array<std::string_view, 4> kinds{"linear", "llama3", "yarn", "dynamic"};
  const auto scaling = config.find(name);
  if (scaling == config.end() || !scaling->is_object()) {
    return;
  }
  if (flatten_pair_factors(attributes, *scaling)) {
    attributes.erase(name);
    return;
  }
  AttributeMap flat;
  for (const auto& [key, value] : scaling->items()) {
    const auto* const known = std::ranges::find(scaling_keys, std::string_view(key), &ScalingKey::hugging_face);
    if (key == "rope_type" || key == "type") {
      const auto kind = attribute_of(value);
      const bool is_known = value.is_string() && std::ranges::find(kinds, value.get<std::string>()) != kinds.end();
      if (!is_known || flat.try_emplace("rope_scaling_type", kind).first->second != kind) {
        return;
      }
    } else if (known != scaling_keys.end() && value.is_number()) {
      flat.emplace(known->attribute, attribute_of(value));
    } else if (key != "rope_theta" && !value.is_null()) {
      return;
    }
  }
  if (flat.contains("rope_scaling_type") && flat["rope_scaling_type"] == AttributeValue(std::string("dynamic"))) {
    flat.erase("rope_scaling_original_context");  // transformers takes max_position_embeddings
  }
  if (flat.contains("rope_scaling_type") && flat.contains("rope_scaling_factor")) {
    attributes.erase(name);
    attributes.merge(flat);
  }
}

/// LWM's own programs name some things otherwise, hold pictures in a vocabulary of their own behind that of text, and
/// turn neighbours: its JAX weights are in the order of Meta's.
void take_words_of_lwm(AttributeMap& attributes) {
  const auto value_of = [&](const char* name) {
    const auto found = attributes.find(name);
    return found == attributes.end() ? std::nullopt : found->second;
  };
  if (const auto theta = value_of("theta"); theta.has_value()) {
    attributes.erase("theta");
    attributes.try_emplace("rope_theta", theta);
    attributes.try_emplace("rope_pairing", std::string("interleaved"));
  }
  const auto text = value_of("vocab_size");
  const auto vision = value_of("vision_vocab_size");
  if (text.has_value() && vision.has_value() && as_integer(*text).has_value() && as_integer(*vision).has_value()) {
    attributes.erase("vision_vocab_size");
    const auto parts = std::pair(*as_integer(*text), *as_integer(*vision));
    attributes.try_emplace("vocabulary", fmt::format("text:{},vision:{}", parts.first, parts.second));
    // A number that no model has is refused where it is read, and must not overflow here.
    std::int64_t both = 0;
    attributes["vocab_size"] = __builtin_add_overflow(parts.first, parts.second, &both) ? std::int64_t{-1} : both;
  }
}

}  // namespace

AttributeMap attributes_of_config(std::string_view text, const std::string& what) {
  const Json config = parse_json_object(text, what);
  AttributeMap attributes;
  for (const auto& [name, value] : config.items()) {
    attributes.emplace(name, attribute_of(value));
  }
  take_words_of_lwm(attributes);
  const auto fill_in = [&](const char* name, const std::optional<AttributeValue>& value) {
    auto& place = attributes[name];
    if (!place.has_value()) {
      place = value;
    }
  };
  const auto heads = attributes.find("num_attention_heads");
  if (heads != attributes.end()) {
    fill_in("num_key_value_heads", heads->second);
  }
  const auto is_type = [&](const char* type) {
    const auto found = attributes.find("model_type");
    return found != attributes.end() && found->second == AttributeValue(std::string(type));
  };
  fill_in("attention_bias", is_type("qwen2"));
  fill_in("query_key_norm", is_type("qwen3"));
  if (is_type("qwen2") || is_type("qwen3")) {
    fill_in("use_sliding_window", false);
  }
  const auto use = attributes.find("use_sliding_window");
  if (is_type("mistral") || (use != attributes.end() && use->second == AttributeValue(true))) {
    attributes.try_emplace("sliding_window", AttributeValue(std::int64_t{4096}));  // null says that there is none
  }
  fill_in("tie_word_embeddings", false);
  fill_in("rms_norm_eps", 1e-6);
  const auto rope = config.find("rope_parameters");
  const bool has_theta = rope != config.end() && rope->is_object() && rope->contains("rope_theta");
  fill_in("rope_theta", has_theta ? attribute_of((*rope)["rope_theta"]) : AttributeValue(10000.0));
  flatten_scaling(attributes, config, "rope_scaling");
  flatten_scaling(attributes, config, "rope_parameters");
  fill_in("rope_pairing", std::string("half_split"));
  return attributes;
}

}  // namespace ringworld
