#pragma once
/// @file  Texts that haystacks and training documents are cut from.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace ringworld {

/// Documents in a fixed order, and a name for messages.
struct Corpus {
  std::string name;
  std::vector<std::string> documents;
};

/// One document a file, in the given order.
/// @throws ringworld::Error (bad_input) that names a file which cannot be read, is empty or is not UTF-8; or when there
/// is none.
[[nodiscard]] Corpus read_text_corpus(std::span<const std::filesystem::path> files);

/// Documents of one file, which stand apart by an empty line; each ends with a line feed.
/// @throws ringworld::Error (bad_input) as read_text_corpus.
[[nodiscard]] Corpus read_document_corpus(const std::filesystem::path& file, std::string name);

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
