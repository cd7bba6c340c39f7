#pragma once
/// @file  What `--input` means: which files and folders are items, and how they are told apart.

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "core/enumerators.hpp"

namespace ringworld {

/// What a folder stands for.
enum class FolderMeaning : std::uint8_t {
  clip,   ///< one item, whose frames are its pictures
  items,  ///< each of its files is an item
};
template <>
struct Enumerators<FolderMeaning> {
  static constexpr std::string_view what = "meaning of folders";
  static constexpr std::array<std::string_view, 2> names{"clip", "items"};
};

/// One item a path, folders replaced by their files where they stand for them, in natural order.
/// @throws Error(bad_input) that names a path that is missing, or a folder without media files.
[[nodiscard]] std::vector<std::string> list_items(const std::vector<std::string>& inputs, FolderMeaning folders);

/// Digest of a file's content; of a folder, of its pictures' names and contents.
/// @throws Error(bad_input) that names what cannot be read.
[[nodiscard]] std::string digest_of_item(const std::filesystem::path& item);

/// The name of an item in the file of codes: that of its file without the suffix, or that of its folder; without what
/// cannot stand in the name of a dataset.
[[nodiscard]] std::string name_of_item(const std::filesystem::path& item);

}  // namespace ringworld
