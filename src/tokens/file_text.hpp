#pragma once
/// @file  The text of a tokenizer that stays in a file of its own: "<kind> <digest of the file> <absolute path>\n".

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tokens/tokenizer.hpp"

namespace ringworld {

/// @param content  of the file
[[nodiscard]] std::string file_text(std::string_view kind, std::string_view content, const std::filesystem::path& file);

/// The tokenizer of such a text.
/// @throws ringworld::Error (bad_input) when the text is none of this kind, or the file is another than when the text
/// was made; whatever `read` throws.
[[nodiscard]] std::unique_ptr<Tokenizer> restore_from_file(
    std::string_view kind, std::string_view text,
    const std::function<std::unique_ptr<Tokenizer>(const std::filesystem::path& file)>& read);

}  // namespace ringworld
