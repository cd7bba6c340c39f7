#pragma once
/// @file  The order of an example's parts, written as Large World Model's data have it.
///
///   [vision],caption                     image to text: no loss on the image, loss on the caption
///   [caption],vision                     text to image
///   [<|bos|>],[vision],[question],answer
///   [vision+question],answer             brackets and + join what follows one another; texts are joined by a space
///
/// A name in brackets has no loss. `<|bos|>` and `<|eos|>` stand for themselves; bos before and eos after all fields
/// come by themselves, unless the list says them there. Whether a field is text or frames is seen from its value in the
/// example, not from its name.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ringworld {

/// One entry between commas.
struct ExampleField {
  std::vector<std::string> names;  ///< joined by +
  bool is_target = true;

  bool operator==(const ExampleField&) const = default;
};

inline constexpr std::string_view bos_field = "<|bos|>";
inline constexpr std::string_view eos_field = "<|eos|>";

/// @throws ringworld::Error (bad_input) for an empty list or name, or brackets that do not match.
[[nodiscard]] std::vector<ExampleField> parse_fields(std::string_view text);

/// The list that the example in line `line` of a file uses, of several: always the same one, drawn uniformly by the
/// number of the line alone. (LWM seeds Python's generator with it, so that its choices are others than ours.)
/// @pre there is one
[[nodiscard]] const std::string& choose_fields(std::span<const std::string> lists, std::int64_t line);

}  // namespace ringworld
