#include "data/haystack.hpp"

#include <gtest/gtest.h>

#include "support/expect_error.hpp"
#include "tokens/byte_tokenizer.hpp"

namespace ringworld::test {
namespace {

const Corpus three_documents{.name = "three", .documents = {"abcdef", "", "gh", "ij"}};

TEST(Haystack, HoldsOutTheLastTenth) {
  const ByteTokenizer tokenizer;
  const Haystack haystack(three_documents, tokenizer);
  EXPECT_EQ(tokenizer.decode(haystack.tokens(HaystackPart::training)), "abcdefghi");
  EXPECT_EQ(tokenizer.decode(haystack.tokens(HaystackPart::evaluation)), "j");
}

TEST(Haystack, KnowsWhereDocumentsBeginInEachPart) {
  const Haystack haystack(three_documents, ByteTokenizer{}, 0.7);
  EXPECT_EQ(haystack.document_begins(HaystackPart::training), (std::vector<std::int64_t>{0, 6}));
  EXPECT_EQ(haystack.document_begins(HaystackPart::evaluation), (std::vector<std::int64_t>{0, 1}));
  const Haystack whole(three_documents, ByteTokenizer{}, 1.0);
  EXPECT_EQ(whole.document_begins(HaystackPart::training), (std::vector<std::int64_t>{0, 6, 8}));
  EXPECT_TRUE(whole.document_begins(HaystackPart::evaluation).empty());
}

TEST(Haystack, RefusesAShareThatIsNone) {
  expect_error(ErrorKind::bad_input, [] { const Haystack refused(three_documents, ByteTokenizer{}, 1.5); }, {"1.5"});
}

}  // namespace
}  // namespace ringworld::test
