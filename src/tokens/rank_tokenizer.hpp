#pragma once
/// @file  Byte-level tokenizers from files of ranks: Llama 3's tokenizer.model, in tiktoken's format (a line a piece,
/// its bytes in base64 and its rank), and Mistral's tekken.json. The rank of a piece says which pair of neighbours is
/// merged first. Needs the build option RINGWORLD_ENABLE_ICU. Bytes that are not UTF-8 are treated as
/// tokenizer_json.hpp says. An object serves one thread at a time.

#include <filesystem>
#include <memory>
#include <string_view>

#include "tokens/tokenizer.hpp"

namespace ringworld {

/// Whether a file with this content is one of tiktoken's ranks, by its first line.
[[nodiscard]] bool is_tiktoken(std::string_view content);

/// A file of tiktoken says nothing but ranks: words are split by Llama 3's pattern, and "<|begin_of_text|>",
/// "<|end_of_text|>" and the 254 special tokens that Llama 3 has after them follow the last rank.
/// Source: Meta's llama3 repository, llama/tokenizer.py.
/// @throws ringworld::Error (bad_input) that names the file and the line that is wrong.
[[nodiscard]] std::unique_ptr<Tokenizer> read_tiktoken(const std::filesystem::path& file);

/// Special tokens are the first ids, ordinary ones follow. bos is token 1, eos token 2.
/// Source: Mistral's package mistral-common, tokens/tokenizers/tekken.py.
/// @throws ringworld::Error (bad_input) that names the file and what in it is wrong.
[[nodiscard]] std::unique_ptr<Tokenizer> read_tekken(const std::filesystem::path& file);

/// The tokenizer whose to_text() gave `text`.
/// @throws ringworld::Error (bad_input) as above, and when the file is another than when the text was made.
[[nodiscard]] std::unique_ptr<Tokenizer> restore_tiktoken(std::string_view text);
[[nodiscard]] std::unique_ptr<Tokenizer> restore_tekken(std::string_view text);

}  // namespace ringworld
