#pragma once
/// @file  The tokenizer that a GGUF file holds beside the weights (keys tokenizer.ggml.*): byte-level BPE of the
/// families llama-bpe (Llama 3), qwen2, smollm and gpt-2, which need the build option RINGWORLD_ENABLE_ICU, and
/// SentencePiece's BPE ("llama": Llama 2, Mistral). Others are refused by name.
/// Source: https://github.com/ggml-org/ggml, docs/gguf.md; the patterns are those of the models' tokenizer.json.

#include <filesystem>
#include <memory>
#include <string_view>

#include "tokens/tokenizer.hpp"

namespace ringworld {

/// Its text is the file's path and the digest of its header. bos is the file's where it says that texts begin with it;
/// eos is what ends a document or an answer.
/// @throws ringworld::Error (bad_input) that names the file, and what in it is wrong or not supported.
[[nodiscard]] std::unique_ptr<Tokenizer> read_gguf_tokenizer(const std::filesystem::path& file);

/// The tokenizer whose to_text() gave `text`.
/// @throws ringworld::Error (bad_input) as above, and when the file is another than when the text was made.
[[nodiscard]] std::unique_ptr<Tokenizer> restore_gguf_tokenizer(std::string_view text);

}  // namespace ringworld
