#pragma once
/// @file  Text by the names that configurations give it.

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/corpus.hpp"
#include "tokens/tokenizer.hpp"

namespace ringworld {

/// Where the build puts the text of the King James Bible: ../share/ringworld/kjv.txt, seen from the program.
[[nodiscard]] std::filesystem::path kjv_text_file();

/// The files that `words` name: of a folder its .txt files, in alphabetical order.
[[nodiscard]] std::vector<std::string> haystack_files(const std::vector<std::string>& words);

/// @param words  "kjv" (the King James Bible, a document a chapter), "synthetic" (made from `seed`), or text files and
/// folders of .txt files
/// @throws Error(bad_input) naming the file that cannot be read; of the KJV, also how it is made.
[[nodiscard]] Corpus read_named_corpus(const std::vector<std::string>& words, std::int64_t seed);

/// What a person should know of `text` before it is cut into words: that much of it is in none. Empty when there is
/// nothing to say.
/// @param name  what the warning calls the text
[[nodiscard]] std::string warning_of(std::string_view text, const Tokenizer& tokenizer, std::string_view name);
[[nodiscard]] std::string warning_of(const Corpus& corpus, const Tokenizer& tokenizer);

}  // namespace ringworld
