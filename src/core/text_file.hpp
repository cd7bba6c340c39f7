#pragma once
/// @file  Whole files, and text in the one form that tokenizers see.

#include <filesystem>
#include <string>
#include <string_view>

namespace ringworld {

/// The bytes of a file.
/// @throws ringworld::Error (bad_input) that names the file when it is missing, a directory or not readable.
[[nodiscard]] std::string read_binary_file(const std::filesystem::path& path);

/// The text of a file, as `plain_text` makes it.
/// @throws ringworld::Error (bad_input) as read_binary_file and plain_text, and when there is no text.
[[nodiscard]] std::string read_text_file(const std::filesystem::path& path);

/// UTF-8 without a byte order mark, with line feeds alone between lines: how a text was saved changes nothing.
/// @param name  of where the text comes from, for errors: a quoted path, or a flag
/// @throws ringworld::Error (bad_input) when the bytes are UTF-16 or UTF-32, hold zeros, or are not UTF-8, naming the
/// first that is not and the command that converts the text.
[[nodiscard]] std::string plain_text(std::string_view bytes, std::string_view name);

}  // namespace ringworld
