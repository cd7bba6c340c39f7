#pragma once
/// @file  Text to typed values and back, for options.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ringworld {

/// Each throws Error(bad_input) `<source>: '<word>' is not ...`. `source` names the flag, or the file and key.
void read_value(const std::string& source, const std::string& word, bool& value);
void read_value(const std::string& source, const std::string& word, std::int64_t& value);
void read_value(const std::string& source, const std::string& word, double& value);
void read_value(const std::string& source, const std::string& word, std::string& value);

[[nodiscard]] std::string toml_value(bool value);
[[nodiscard]] std::string toml_value(std::int64_t value);
[[nodiscard]] std::string toml_value(double value);
[[nodiscard]] std::string toml_value(const std::string& value);

/// "a,b" -> {"a", "b"}
[[nodiscard]] std::vector<std::string> split_list(std::string_view text);

}  // namespace ringworld
