#pragma once
/// @file  Suggestions for names that a person mistyped.

#include <span>
#include <string>
#include <string_view>

namespace ringworld {

/// The member of `known` with the smallest edit distance to `name`; empty when `known` is.
[[nodiscard]] std::string_view nearest_name(std::string_view name, std::span<const std::string_view> known);

/// "a, b, c"
[[nodiscard]] std::string join_names(std::span<const std::string_view> names);

/// Throws bad_input: `<what> 'name' is unknown; did you mean 'x'? (one of a, b, c)`, or, where there are more names than
/// a person reads, `(<where_all_are>)` in place of their list.
/// @param where_all_are  tells where to read them; without it they are listed, however many
[[noreturn]] void throw_unknown_name(std::string_view what, std::string_view name,
                                     std::span<const std::string_view> known, std::string_view where_all_are = {});

}  // namespace ringworld
