#include "data/packed_rows.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "data/byte_tokenizer.hpp"
#include "small_world.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

/// Documents "aaa", "bb", ... of awkward sizes, one token among them.
std::vector<MaskedDocument> letter_documents() {
  std::vector<MaskedDocument> documents;
  const ByteTokenizer tokenizer;
  for (const std::string text : {"aaaaaaaaaaaaaaaaaaaaaaa", "b", "cc", "ddddddd", "eeeeeeeeeeeee"}) {
    const DocumentPiece piece{.text = text};
    documents.push_back(make_document(tokenizer, {&piece, 1}));
  }
  documents.push_back({.tokens = {'z'}, .is_target = {true}});
  return documents;
}

const BatchOptions eight_tokens{.context_length = 8, .rows_per_step = 7};

TEST(MakeDocument, PutsNoLossOnPromptsAndBos) {
  const ByteTokenizer tokenizer;
  const std::vector<DocumentPiece> pieces{{.text = "ab", .is_target = false}, {.text = "c"}};
  const MaskedDocument document = make_document(tokenizer, pieces);
  EXPECT_EQ(tokenizer.decode(document.tokens), "<bos>abc<eos>");
  EXPECT_EQ(document.is_target, (std::vector<bool>{false, false, false, true, true}));
}

TEST(DocumentsOf, AreThoseOfTheHaystack) {
  const ByteTokenizer tokenizer;
  const Corpus corpus{.name = "two", .documents = {"abc", "de"}};
  const auto documents = documents_of(Haystack(corpus, tokenizer, 0.8), HaystackPart::training, tokenizer);
  ASSERT_EQ(documents.size(), 2U);
  EXPECT_EQ(tokenizer.decode(documents[0].tokens), "<bos>abc<eos>");
  EXPECT_EQ(tokenizer.decode(documents[1].tokens), "<bos>d<eos>");
}

TEST(PackedRows, KeepDocumentsApart) {
  int borders = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {  // each another order of documents
    const PackedRows source(eight_tokens, {.seed = seed}, letter_documents());
    const Batch batch = source.rows(0, 0, 7);
    ASSERT_EQ(batch.segment_ids.size(), 56U);
    for (std::size_t token = 0; token < 56; ++token) {
      if (token % 8 == 0) {
        EXPECT_EQ(batch.segment_ids[token], 0);
        continue;
      }
      EXPECT_EQ(batch.tokens[token], batch.targets[token - 1]);
      // The document "z" has neither bos nor a mask of its own.
      const bool starts_document = batch.tokens[token] == 256 || batch.tokens[token] == 'z';
      EXPECT_EQ(batch.segment_ids[token], batch.segment_ids[token - 1] + (starts_document ? 1 : 0));
      EXPECT_EQ(batch.kinds[token - 1], starts_document ? TargetKind::none : TargetKind::text);
      borders += starts_document ? 1 : 0;
    }
  }
  EXPECT_GE(borders, 30);
}

TEST(PackedRows, GoThroughEveryTokenOnceAnEpoch) {
  const PackedRows source({.context_length = 8, .rows_per_step = 1}, {.seed = 1}, letter_documents());
  // 46 letters, 5 bos, 5 eos, 1 lone token.
  EXPECT_EQ(source.rows_per_epoch(), (57 - 1) / 8);
  std::map<Token, int> times;
  for (std::int64_t step = 0; step < source.rows_per_epoch(); ++step) {
    for (const Token token : source.rows(step, 0, 1).tokens) {
      ++times[token];
    }
  }
  int total = 0;
  for (const auto& [token, count] : times) {
    total += count;
  }
  EXPECT_EQ(total, 56);
  EXPECT_GE(times['a'], 22);
  EXPECT_LE(times['a'], 23);
}

TEST(PackedRows, AreInAnotherOrderInTheNextEpoch) {
  const PackedRows source({.context_length = 56, .rows_per_step = 1}, {.seed = 1}, letter_documents());
  std::set<std::vector<Token>> orders;
  for (std::int64_t epoch = 0; epoch < 5; ++epoch) {
    orders.insert(source.rows(epoch, 0, 1).tokens);
  }
  EXPECT_GE(orders.size(), 4U);
}

TEST(PackedRows, DoNotDependOnHowTheyAreAskedFor) {
  const PackedRows source(eight_tokens, {.seed = 1, .stage = 2}, letter_documents());
  const Batch all = source.rows(3, 0, 7);
  for (std::int64_t row = 7; row-- > 0;) {
    (void)source.rows(8, 0, 1);
    const Batch one = source.rows(3, row, 1);
    for (std::size_t token = 0; token < 8; ++token) {
      const std::size_t there = static_cast<std::size_t>(row) * 8 + token;
      ASSERT_EQ(one.tokens[token], all.tokens[there]);
      ASSERT_EQ(one.loss_weight[token], all.loss_weight[there]);
      ASSERT_EQ(one.segment_ids[token], all.segment_ids[there]);
    }
  }
  const PackedRows other({.context_length = 8, .rows_per_step = 1}, {.seed = 1, .stage = 2}, letter_documents());
  EXPECT_EQ(other.rows(3 * 7 + 2, 0, 1).tokens, source.rows(3, 2, 1).tokens);
}

TEST(PackedRows, WeightsOfAStepSumToOne) {
  for (const LossMean mean : {LossMean::tokens, LossMean::rows}) {
    BatchOptions options = eight_tokens;
    options.mean = mean;
    const Batch batch = PackedRows(options, {.seed = 1}, letter_documents()).rows(0, 0, 7);
    double sum = 0;
    for (const float weight : batch.loss_weight) {
      sum += static_cast<double>(weight);
    }
    EXPECT_NEAR(sum, 1.0, 1e-6);
  }
}

TEST(PackedRows, CanBehaveAsLwmsReleasedCode) {
  BatchOptions options = eight_tokens;
  options.attends_within_documents = false;
  options.loss_over_everything = true;
  const Batch batch = PackedRows(options, {.seed = 1}, letter_documents()).rows(0, 0, 7);
  EXPECT_TRUE(batch.segment_ids.empty());
  EXPECT_EQ(std::ranges::count(batch.loss_weight, 1.0F / 56), 56);
}

TEST(PackedRows, ADocumentWithoutBosStillHasNoTargetAcrossItsBorder) {
  const WordTokenizer& words = small_world().words;
  const auto documents = documents_of(small_world().word_hay, HaystackPart::training, words);
  const PackedRows source({.context_length = 512, .rows_per_step = 4}, {.seed = 1}, documents);
  const Batch batch = source.rows(0, 0, 4);
  for (std::size_t target = 0; target < batch.targets.size(); ++target) {
    EXPECT_EQ(batch.kinds[target] == TargetKind::none, batch.targets[target] == words.bos());
  }
}

TEST(PackedRows, SayHowManyTokensThereAre) {
  expect_error(ErrorKind::bad_input,
               [] { const PackedRows refused({.context_length = 57, .rows_per_step = 1}, {}, letter_documents()); },
               {"context length 57", "58", "57"});
  EXPECT_NO_THROW(PackedRows({.context_length = 56, .rows_per_step = 1}, {}, letter_documents()));
}

}  // namespace
}  // namespace ringworld::test
