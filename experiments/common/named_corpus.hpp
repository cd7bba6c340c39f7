#pragma once
/// @file  Text by the names that configurations give it.

#include <cstdint>
#include <string>
#include <vector>

#include "data/corpus.hpp"

namespace ringworld {

/// @param words  "kjv", "synthetic" (made from `seed`), or text files
/// @throws Error(bad_input) naming the file that cannot be read, or the package that brings the KJV.
[[nodiscard]] Corpus read_named_corpus(const std::vector<std::string>& words, std::int64_t seed);

}  // namespace ringworld
