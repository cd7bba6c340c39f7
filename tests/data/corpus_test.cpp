#include "data/corpus.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "core/digest.hpp"
#include "data/haystack.hpp"
#include "io/temporary_directory.hpp"
#include "support/expect_error.hpp"
#include "tasks/needle/city_names.hpp"
#include "tokens/word_tokenizer.hpp"

namespace ringworld::test {
namespace {

TEST(TextCorpus, HasOneDocumentAFileInTheOrderGiven) {
  const TemporaryDirectory directory;
  write_text(directory / "b.txt", "second");
  write_text(directory / "a.txt", "first");
  const std::vector<std::filesystem::path> files{directory / "b.txt", directory / "a.txt"};
  const Corpus corpus = read_text_corpus(files);
  EXPECT_EQ(corpus.documents, (std::vector<std::string>{"second", "first"}));
  EXPECT_EQ(corpus.name, "2 text files");
}

TEST(TextCorpus, NamesTheFileThatIsMissingEmptyOrADirectory) {
  const TemporaryDirectory directory;
  write_text(directory / "empty.txt", "");
  const auto read = [](const std::filesystem::path& file) { (void)read_text_corpus({&file, 1}); };
  expect_error(ErrorKind::bad_input, [&] { read(directory / "none.txt"); }, {"none.txt"});
  expect_error(ErrorKind::bad_input, [&] { read(directory / "empty.txt"); }, {"empty.txt", "empty"});
  expect_error(ErrorKind::bad_input, [&] { read(directory.path()); }, {directory.path().string(), "directory"});
  expect_error(ErrorKind::bad_input, [] { (void)read_text_corpus({}); }, {"at least one file"});
}

TEST(DocumentCorpus, PartsAFileAtEmptyLines) {
  const TemporaryDirectory directory;
  write_text(directory / "two.txt", "\na b\nc\n\n\nd\n");
  const Corpus corpus = read_document_corpus(directory / "two.txt", "two");
  EXPECT_EQ(corpus.name, "two");
  EXPECT_EQ(corpus.documents, (std::vector<std::string>{"a b\nc\n", "d\n"}));
  write_text(directory / "open.txt", "a\n\nb");
  EXPECT_EQ(read_document_corpus(directory / "open.txt", "open").documents, (std::vector<std::string>{"a\n", "b\n"}));
  expect_error(ErrorKind::bad_input, [&] { (void)read_document_corpus(directory / "none.txt", "none"); }, {"none.txt"});
}

TEST(KjvText, HoldsEveryVerse) {
  if (!std::filesystem::exists(RINGWORLD_KJV_TEXT)) {
    GTEST_SKIP() << "needs the program bible of Debian's package bible-kjv";
  }
  const Corpus corpus = read_document_corpus(RINGWORLD_KJV_TEXT, "King James Bible");
  EXPECT_EQ(corpus.documents.size(), 1189U) << "chapters";
  std::ptrdiff_t verses = 0;
  for (const std::string& chapter : corpus.documents) {
    verses += std::ranges::count(chapter, '\n');
  }
  EXPECT_EQ(verses, 31102);
  EXPECT_TRUE(corpus.documents.front().starts_with("In the beginning God created the heaven and the earth.\nAnd "));
  EXPECT_TRUE(corpus.documents.back().ends_with("\nThe grace of our Lord Jesus Christ be with you all. Amen.\n"));

  // The digest of the package's own data file (bible-kjv-text 4.38), read without the program.
  Digest digest;
  for (const std::string& chapter : corpus.documents) {
    digest.add(std::ssize(chapter));
    digest.add(chapter);
  }
  EXPECT_EQ(digest.value(), 0x0aea0e33768bc7b4U);

  // Counted with Python's re.findall(r"[a-z']+|[.,:;?!]") over the output of `bible -l10000 Gen1:1-Rev22:21`.
  const WordTokenizer tokenizer(corpus.documents, {.keys = needle_keys(128)});
  EXPECT_EQ(tokenizer.vocab_size(), 1731);
  const Haystack haystack(corpus, tokenizer);
  EXPECT_EQ(haystack.tokens(HaystackPart::training).size(), 821'683U);
  EXPECT_EQ(haystack.tokens(HaystackPart::evaluation).size(), 91'299U);
}

TEST(SyntheticCorpus, IsAFunctionOfItsSeed) {
  const SyntheticCorpusOptions options{.seed = 1, .words = 5000, .distinct_words = 300};
  const Corpus corpus = make_synthetic_corpus(options);
  EXPECT_EQ(corpus.documents, make_synthetic_corpus(options).documents);
  SyntheticCorpusOptions other = options;
  other.seed = 2;
  EXPECT_NE(corpus.documents, make_synthetic_corpus(other).documents);
}

TEST(SyntheticCorpus, HasTheWordsAskedForAndZipfsLaw) {
  const Corpus corpus = make_synthetic_corpus({.seed = 1, .words = 100'000, .distinct_words = 300});
  std::map<std::string, std::int64_t> times;
  std::int64_t words = 0;
  for (const std::string& document : corpus.documents) {
    for (const std::string& word : split_words(document)) {
      if (word != "." && word != ",") {
        ++times[word];
        ++words;
      }
    }
  }
  EXPECT_EQ(words, 100'000);
  EXPECT_EQ(times.size(), 300U);
  std::vector<std::int64_t> counts;
  for (const auto& [word, count] : times) {
    counts.push_back(count);
  }
  std::ranges::sort(counts, std::ranges::greater{});
  // The harmonic sum of 300 terms is 6.28.
  EXPECT_NEAR(static_cast<double>(counts[0]), 100'000 / 6.28, 700);
  EXPECT_NEAR(static_cast<double>(counts[9]), 100'000 / 62.8, 250);
}

TEST(SyntheticCorpus, RefusesSizesThatMakeNoSense) {
  expect_error(ErrorKind::bad_input, [] { (void)make_synthetic_corpus({.words = 0}); }, {"at least 1"});
  expect_error(ErrorKind::bad_input, [] { (void)make_synthetic_corpus({.distinct_words = 2'000'000}); }, {"1000000"});
}

}  // namespace
}  // namespace ringworld::test
