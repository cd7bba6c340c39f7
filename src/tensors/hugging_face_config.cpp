#include "tensors/hugging_face_config.hpp"

#include <algorithm>
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
  fill_in("rope_pairing", std::string("half_split"));
  return attributes;
}

}  // namespace ringworld
