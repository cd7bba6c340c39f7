#pragma once
/// @file  A tokenizer from any file that holds one, or from the folder of a model.

#include <filesystem>
#include <memory>
#include <string>

#include "tokens/tokenizer.hpp"

namespace ringworld {

/// The tokenizer at a path:
///
///   a folder          its tokenizer.json, else tekken.json, tokenizer.model, or its only .tiktoken or .gguf file
///   a .json file      tokenizer.json of Hugging Face's `tokenizers`, or tekken.json (the name starts with "tekken")
///   a GGUF file       the tokenizer that it holds beside the weights
///   any other file    the text of a tokenizer (Tokenizer::to_text), ranks of tiktoken, or a SentencePiece model, which
///                     the content tells apart
///
/// @throws ringworld::Error (bad_input) that names the path, and says what would be right.
[[nodiscard]] std::unique_ptr<Tokenizer> read_tokenizer(const std::filesystem::path& path);

/// The file that read_tokenizer() reads: the path itself unless it is a folder that has one.
[[nodiscard]] std::string file_of_tokenizer(const std::filesystem::path& path);

/// The tokenizer that comes with weights: in the folder, in the GGUF file, or beside the file.
/// @throws ringworld::Error (bad_input) as read_tokenizer
[[nodiscard]] std::unique_ptr<Tokenizer> read_tokenizer_of_weights(const std::filesystem::path& weights);

}  // namespace ringworld
