#include "tasks/vision/fields.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "data/draw_stream.hpp"

namespace ringworld {
namespace {

template <class Take>
void split(std::string_view text, char separator, Take&& take) {
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    take(text.substr(begin, end - begin));
    begin = end + 1;
  }
}

}  // namespace

std::vector<ExampleField> parse_fields(std::string_view text) {
  std::vector<ExampleField> fields;
  split(text, ',', [&](std::string_view entry) {
    const bool opens = entry.starts_with('[');
    const bool closes = entry.ends_with(']');
    require_input(opens == closes, fmt::format("fields '{}': the brackets of '{}' do not match", text, entry));
    ExampleField& field = fields.emplace_back(ExampleField{.names = {}, .is_target = !opens});
    split(opens ? entry.substr(1, entry.size() - 2) : entry, '+', [&](std::string_view name) {
      require_input(!name.empty() && name.find_first_of("[] ") == std::string_view::npos,
                    fmt::format("fields '{}': '{}' is no name of a field", text, name));
      field.names.emplace_back(name);
    });
  });
  return fields;
}

const std::string& choose_fields(std::span<const std::string> lists, std::int64_t line) {
  require(!lists.empty(), "there is a list of fields to choose");
  DrawStream draws(0, DrawPurpose::vision_fields, {static_cast<std::uint64_t>(line)});
  return lists[static_cast<std::size_t>(draws.below(std::ssize(lists)))];
}

}  // namespace ringworld
