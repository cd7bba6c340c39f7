#include "tensors/json_text.hpp"

#include <fmt/format.h>

#include <set>
#include <vector>

#include "core/error.hpp"

namespace ringworld {

nlohmann::ordered_json parse_json_object(std::string_view text, const std::string& what) {
  using Json = nlohmann::ordered_json;
  constexpr int deepest = 100;              // what goes through a document goes as deep as its brackets
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  std::string twice;
  const auto note_keys = [&](int depth, Json::parse_event_t event, Json& value) {
    require_input(depth <= deepest, fmt::format("{} has more than {} levels of brackets", what, deepest));
    if (event == Json::parse_event_t::object_start) {
      keys.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      keys.pop_back();
    } else if (event == Json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second) {
      twice = value.get<std::string>();
    }
    return true;
  };
  Json parsed;
  try {
    parsed = Json::parse(text, note_keys);
  } catch (const Json::parse_error& error) {
    throw Error(ErrorKind::bad_input, fmt::format("{} is not JSON: byte {} is wrong", what, error.byte));
  }
  require_input(twice.empty(), fmt::format("{} has '{}' twice", what, twice));
  require_input(parsed.is_object(), fmt::format("{} is no JSON object", what));
  return parsed;
}

}  // namespace ringworld
