#pragma once
/// @file  JSON of other programs, read strictly.

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace ringworld {

/// An object, whose keys keep their order.
/// @param what  the text, for messages
/// @throws ringworld::Error (bad_input) when the text is no JSON object, or when a key of an object stands twice.
[[nodiscard]] nlohmann::ordered_json parse_json_object(std::string_view text, const std::string& what);

}  // namespace ringworld
