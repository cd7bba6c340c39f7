#pragma once
/// @file  Tokenizers read from SentencePiece model files, as LLaMA's tokenizer.model. Needs the build
/// option RINGWORLD_ENABLE_SENTENCEPIECE.

#include <filesystem>
#include <memory>
#include <string_view>

#include "tokens/tokenizer.hpp"

namespace ringworld {

/// Whether this build can read SentencePiece models.
[[nodiscard]] bool has_sentencepiece();

/// Reads a model file. Its text is the file's absolute path and checksum: the model itself stays where it is.
/// @throws ringworld::Error (bad_input) that names the file when it cannot be read or is no SentencePiece model, or
/// the build option when this build has no SentencePiece.
[[nodiscard]] std::unique_ptr<Tokenizer> read_sentencepiece_tokenizer(const std::filesystem::path& model);

/// The tokenizer whose to_text() gave `text`.
/// @throws ringworld::Error (bad_input) as above, and when the file is another than when the text was made.
[[nodiscard]] std::unique_ptr<Tokenizer> restore_sentencepiece_tokenizer(std::string_view text);

}  // namespace ringworld
