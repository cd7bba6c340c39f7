#include "data/batch.hpp"

#include <gtest/gtest.h>

namespace ringworld::test {
namespace {

/// Two sequences of four targets, whose terms are given.
class GivenTerms final : public BatchSource {
 public:
  GivenTerms(std::vector<LossTerm> terms, std::vector<std::vector<TermIndex>> targets)
      : BatchSource({.context_length = 4, .sequences_per_step = 2, .terms = std::move(terms)}),
        targets_(std::move(targets)) {}

 private:
  [[nodiscard]] TrainingSequence draw_sequence(std::int64_t index) const override {
    return {.tokens = {0, 1, 2, 3, 4}, .terms = targets_[static_cast<std::size_t>(index % 2)], .segment_ids = {}};
  }
  [[nodiscard]] TermCounts count_targets(std::int64_t index) const override {
    return count_terms(draw_sequence(index).terms, terms().size());
  }

  std::vector<std::vector<TermIndex>> targets_;
};

const std::vector<std::vector<TermIndex>> targets{{0, 1, 1, 2}, {1, no_term, 2, 2}};

std::vector<LossTerm> grouped(LossMean mean) {
  return {{.name = "a", .weight = 0.5, .mean = mean, .group = "text"},
          {.name = "b", .weight = 0.5, .mean = mean, .group = "text"},
          {.name = "c", .weight = 0.25, .mean = mean}};
}

TEST(BatchSource, TermsOfAGroupShareTheirMean) {
  const GivenTerms source(grouped(LossMean::tokens), targets);
  // Four targets of the group, of which one is of term a; three of term c, which is alone.
  EXPECT_EQ(source.batch(0, 0, 2).loss_weight,
            (std::vector<float>{0.125F, 0.125F, 0.125F, 0.25F / 3, 0.125F, 0, 0.25F / 3, 0.25F / 3}));
}

TEST(BatchSource, AGroupsMeanOverSequencesIsWithinEachFirst) {
  const GivenTerms source(grouped(LossMean::sequences), targets);
  EXPECT_EQ(source.batch(0, 0, 2).loss_weight,
            (std::vector<float>{0.25F / 3, 0.25F / 3, 0.25F / 3, 0.125F, 0.25F, 0, 0.0625F, 0.0625F}));
}

TEST(BatchSource, TermsWithoutAGroupAreApart) {
  std::vector<LossTerm> terms = grouped(LossMean::tokens);
  terms[0].group.clear();
  terms[1].group.clear();
  EXPECT_EQ(GivenTerms(terms, targets).batch(0, 0, 1).loss_weight,
            (std::vector<float>{0.5F, 0.5F / 3, 0.5F / 3, 0.25F / 3}));
}

}  // namespace
}  // namespace ringworld::test
