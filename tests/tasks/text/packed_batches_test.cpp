#include "tasks/text/packed_batches.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "data/small_world.hpp"
#include "support/expect_error.hpp"
#include "tokens/byte_tokenizer.hpp"

namespace ringworld::test {
namespace {

/// Documents "aaa", "bb", ... of awkward sizes, one token among them.
std::vector<MaskedDocument> letter_documents() {
  std::vector<MaskedDocument> documents;
  const ByteTokenizer tokenizer;
  for (const std::string letters : {"aaaaaaaaaaaaaaaaaaaaaaa", "b", "cc", "ddddddd", "eeeeeeeeeeeee"}) {
    const DocumentPiece piece{.text = letters};
    documents.push_back(make_document(tokenizer, {&piece, 1}));
  }
  documents.push_back({.tokens = {'z'}, .is_target = {true}});
  return documents;
}

constexpr TermIndex text = 0;

BatchOptions batch_of(std::int64_t context_length, std::int64_t sequences, LossMean mean = LossMean::tokens) {
  return {.context_length = context_length, .sequences_per_step = sequences, .terms = {{.name = "text", .mean = mean}}};
}

const BatchOptions eight_tokens = batch_of(8, 7);

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

TEST(PackedBatches, KeepDocumentsApart) {
  int borders = 0;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {  // each another order of documents
    const PackedBatches source(eight_tokens, {.seed = seed}, letter_documents());
    const Batch batch = source.batch(0, 0, 7);
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
      EXPECT_EQ(batch.terms[token - 1], starts_document ? no_term : text);
      borders += starts_document ? 1 : 0;
    }
  }
  EXPECT_GE(borders, 30);
}

TEST(PackedBatches, GoThroughEveryTokenOnceAnEpoch) {
  const PackedBatches source(batch_of(8, 1), {.seed = 1}, letter_documents());
  // 46 letters, 5 bos, 5 eos, 1 lone token.
  EXPECT_EQ(source.sequences_per_epoch(), (57 - 1) / 8);
  std::map<Token, int> times;
  for (std::int64_t step = 0; step < source.sequences_per_epoch(); ++step) {
    for (const Token token : source.batch(step, 0, 1).tokens) {
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

TEST(PackedBatches, AreInAnotherOrderInTheNextEpoch) {
  const PackedBatches source(batch_of(56, 1), {.seed = 1}, letter_documents());
  std::set<std::vector<Token>> orders;
  for (std::int64_t epoch = 0; epoch < 5; ++epoch) {
    orders.insert(source.batch(epoch, 0, 1).tokens);
  }
  EXPECT_GE(orders.size(), 4U);
}

TEST(PackedBatches, DoNotDependOnHowTheyAreAskedFor) {
  const PackedBatches source(eight_tokens, {.seed = 1, .stage = 2}, letter_documents());
  const Batch all = source.batch(3, 0, 7);
  for (std::int64_t row = 7; row-- > 0;) {
    (void)source.batch(8, 0, 1);
    const Batch one = source.batch(3, row, 1);
    for (std::size_t token = 0; token < 8; ++token) {
      const std::size_t there = static_cast<std::size_t>(row) * 8 + token;
      ASSERT_EQ(one.tokens[token], all.tokens[there]);
      ASSERT_EQ(one.loss_weight[token], all.loss_weight[there]);
      ASSERT_EQ(one.segment_ids[token], all.segment_ids[there]);
    }
  }
  const PackedBatches other(batch_of(8, 1), {.seed = 1, .stage = 2}, letter_documents());
  EXPECT_EQ(other.batch(3 * 7 + 2, 0, 1).tokens, source.batch(3, 2, 1).tokens);
}

TEST(PackedBatches, WeightsOfAStepSumToOne) {
  for (const LossMean mean : {LossMean::tokens, LossMean::sequences}) {
    const Batch batch = PackedBatches(batch_of(8, 7, mean), {.seed = 1}, letter_documents()).batch(0, 0, 7);
    double sum = 0;
    for (const float weight : batch.loss_weight) {
      sum += static_cast<double>(weight);
    }
    EXPECT_NEAR(sum, 1.0, 1e-6);
  }
}

TEST(PackedBatches, CanLeaveOutDocumentIds) {
  BatchOptions options = eight_tokens;
  options.attends_within_documents = false;
  EXPECT_TRUE(PackedBatches(options, {.seed = 1}, letter_documents()).batch(0, 0, 7).segment_ids.empty());
}

TEST(PackedBatches, ADocumentWithoutBosStillHasNoTargetAcrossItsBorder) {
  const WordTokenizer& words = small_world().words;
  const auto documents = documents_of(small_world().word_hay, HaystackPart::training, words);
  const PackedBatches source(batch_of(512, 4), {.seed = 1}, documents);
  const Batch batch = source.batch(0, 0, 4);
  for (std::size_t target = 0; target < batch.targets.size(); ++target) {
    EXPECT_EQ(batch.terms[target] == no_term, batch.targets[target] == words.bos());
  }
}

TEST(PackedBatches, SayHowManyTokensThereAre) {
  expect_error(ErrorKind::bad_input, [] { const PackedBatches refused(batch_of(57, 1), {}, letter_documents()); },
               {"context length 57", "58", "57"});
  EXPECT_NO_THROW(PackedBatches(batch_of(56, 1), {}, letter_documents()));
}

}  // namespace
}  // namespace ringworld::test
