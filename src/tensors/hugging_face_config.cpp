#include "tensors/hugging_face_config.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
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

/// Replaces the object by an attribute a key, if each of its keys is known; else leaves it as it is, to be refused.
void flatten_scaling(AttributeMap& attributes, const Json& config, const char* name) {
  constexpr std::array<std::string_view, 3> kinds{"linear", "llama3", "yarn"};
  const auto scaling = config.find(name);
  if (scaling == config.end() || !scaling->is_object()) {
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
  if (flat.contains("rope_scaling_type") && flat.contains("rope_scaling_factor")) {
    attributes.erase(name);
    attributes.merge(flat);
  }
}

}  // namespace

AttributeMap attributes_of_config(std::string_view text, const std::string& what) {
  const Json config = parse_json_object(text, what);
  AttributeMap attributes;
  for (const auto& [name, value] : config.items()) {
    attributes.emplace(name, attribute_of(value));
  }
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
  const auto model_type = attributes.find("model_type");
  fill_in("attention_bias",
          model_type != attributes.end() && model_type->second == AttributeValue(std::string("qwen2")));
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
