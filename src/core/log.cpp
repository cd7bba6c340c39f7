#include "core/log.hpp"

#include <fmt/format.h>

#include <cstdio>
#include <string>

namespace ringworld {
namespace {

/// One write a line, so that lines of several ranks do not mix inside. A line that cannot be written is dropped: losing
/// the log is not losing the run.
void write_line(std::string_view kind, std::string_view message) {
  const std::string line = fmt::format("ringworld: {}{}\n", kind, message);
  static_cast<void>(std::fwrite(line.data(), 1, line.size(), stderr));
}

}  // namespace

void log_info(std::string_view message) { write_line("", message); }
void log_warning(std::string_view message) { write_line("warning: ", message); }
void log_error(std::string_view message) { write_line("error: ", message); }

}  // namespace ringworld
