#pragma once
/// @file  Tokenizers read from the file tokenizer.json of Hugging Face's `tokenizers`: byte pair encoding, byte-level
/// (GPT-2, Llama 3, Qwen, SmolLM) or over metaspaces (Llama 2, Mistral). Splitting by patterns and normal forms need
/// the build option RINGWORLD_ENABLE_ICU.
///
/// What the file may hold:
///   normalizer      NFC NFD NFKC NFKD Prepend Replace Strip Sequence
///   pre_tokenizer   ByteLevel Digits Metaspace Split WhitespaceSplit Sequence
///   model           BPE
///   post_processor  ByteLevel TemplateProcessing Sequence
///   decoder         ByteFallback ByteLevel Fuse Metaspace Replace Strip Sequence
/// Anything else is refused by name. The post-processor's tokens before a text give bos, those after it eos; where it
/// has none after it, eos is the `eos_token` of a tokenizer_config.json beside the file.
///
/// Bytes that are not UTF-8 are encoded as U+FFFD, one for each maximal start of a character, as Rust's and Python's
/// lossy conversions have it. decode() gives bytes as the tokens have them, UTF-8 or not.
/// An object serves one thread at a time.

#include <filesystem>
#include <memory>
#include <string_view>

#include "tokens/tokenizer.hpp"

namespace ringworld {

/// Reads a file. Its text is the file's absolute path and digest, which includes tokenizer_config.json: the file
/// itself stays where it is.
/// @throws ringworld::Error (bad_input) that names the file, and what in it is wrong or not supported.
[[nodiscard]] std::unique_ptr<Tokenizer> read_tokenizer_json(const std::filesystem::path& file);

/// The tokenizer whose to_text() gave `text`.
/// @throws ringworld::Error (bad_input) as above, and when the file is another than when the text was made.
[[nodiscard]] std::unique_ptr<Tokenizer> restore_tokenizer_json(std::string_view text);

}  // namespace ringworld
