#pragma once
/// @file  Texts that haystacks and training documents are cut from.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace ringworld {

/// Documents in a fixed order, and a name for people.
struct Corpus {
  std::string name;
  std::vector<std::string> documents;
};

/// One document a file, in the given order.
/// @throws ringworld::Error (bad_input) that names a file which cannot be read, is empty or is not UTF-8; or when there
/// is none.
[[nodiscard]] Corpus read_text_corpus(std::span<const std::filesystem::path> files);

/// Where Debian's package bible-kjv-text puts its text.
inline constexpr const char* kjv_data_file = "/usr/lib/bible.data";

/// The King James Bible: one document a chapter, one verse a line, without verse numbers.
/// @param data_file  the package's own compressed file; no program is run to read it
/// @throws ringworld::Error (bad_input) that names the file, and the package when it is missing.
[[nodiscard]] Corpus read_kjv_corpus(const std::filesystem::path& data_file = kjv_data_file);

/// Nonsense text for machines without any: pronounceable words whose frequencies follow Zipf's law, in sentences and
/// documents of varying length.
struct SyntheticCorpusOptions {
  std::uint64_t seed = 0;
  std::int64_t words = 1'000'000;
  std::int64_t distinct_words = 10'000;  ///< at most 1,000,000
  double zipf_exponent = 1.0;
};
[[nodiscard]] Corpus make_synthetic_corpus(const SyntheticCorpusOptions& options);

}  // namespace ringworld
