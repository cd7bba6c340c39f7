#include "core/log.hpp"

#include <fmt/format.h>

#include <cstdio>

namespace ringworld {

// One fmt::print a line, so that lines of several ranks do not mix inside.
void log_info(std::string_view message) { fmt::print(stderr, "ringworld: {}\n", message); }
void log_warning(std::string_view message) { fmt::print(stderr, "ringworld: warning: {}\n", message); }
void log_error(std::string_view message) { fmt::print(stderr, "ringworld: error: {}\n", message); }

}  // namespace ringworld
