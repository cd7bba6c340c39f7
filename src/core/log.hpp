#pragma once
/// @file  Log messages on stderr. Results go to stdout and to the record, never through here.

#include <string_view>

namespace ringworld {

/// Prints `ringworld: message`. Callers decide which rank speaks.
void log_info(std::string_view message);
/// Prints `ringworld: warning: message`.
void log_warning(std::string_view message);
/// Prints `ringworld: error: message`.
void log_error(std::string_view message);

}  // namespace ringworld
