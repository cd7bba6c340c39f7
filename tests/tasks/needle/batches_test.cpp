#include "tasks/needle/batches.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "data/small_world.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

const NeedleFormat& short_format() {
  static const NeedleFormat format(small_world().words, NeedleTemplate::short1);
  return format;
}

const NeedleFormat& long_format() {
  static const NeedleFormat format(small_world().words, NeedleTemplate::long1);
  return format;
}

constexpr TermIndex answer = 0;
constexpr TermIndex text = 1;

BatchOptions batch_of(std::int64_t context_length, std::int64_t sequences, double text_weight = 0.1,
                      LossMean mean = LossMean::tokens) {
  return {.context_length = context_length,
          .sequences_per_step = sequences,
          .terms = {{.name = "answer", .mean = mean}, {.name = "text", .weight = text_weight, .mean = mean}}};
}

/// Row `row` of a batch, with the target after its last input: S + 1 tokens.
std::vector<Token> whole_row(const Batch& batch, std::int64_t row) {
  const auto begin = batch.tokens.begin() + row * batch.context_length;
  std::vector<Token> tokens(begin, begin + batch.context_length);
  tokens.push_back(batch.targets[static_cast<std::size_t>((row + 1) * batch.context_length - 1)]);
  return tokens;
}

struct Needle {
  std::vector<Token> value;
  std::int64_t end = 0;  // token after it
};

/// Needles of a document by key, found by their words.
std::map<Token, Needle> find_needles(const std::vector<Token>& tokens, const WordTokenizer& words) {
  std::map<Token, Needle> needles;
  const Token what = words.token("what");
  for (std::size_t token = 2; token + 3 < tokens.size(); ++token) {
    if (words.is_key(tokens[token]) && tokens[token - 2] != what) {
      EXPECT_EQ(tokens[token - 1], words.token("magic"));
      EXPECT_EQ(tokens[token + 3], words.token("."));
      const bool is_new = needles
                              .emplace(tokens[token], Needle{.value = {tokens[token + 1], tokens[token + 2]},
                                                             .end = static_cast<std::int64_t>(token) + 4})
                              .second;
      EXPECT_TRUE(is_new) << "a key stands twice";
    }
  }
  return needles;
}

TEST(NeedleBatches, AnswersAreWhatTheNeedlesSay) {
  const WordTokenizer& words = small_world().words;
  const NeedleBatches source(batch_of(64, 50), {.seed = 7}, short_format(), small_world().word_hay);
  const Batch batch = source.batch(3, 0, 50);
  for (std::int64_t row = 0; row < 50; ++row) {
    const std::vector<Token> tokens = whole_row(batch, row);
    ASSERT_EQ(tokens.size(), 65U);
    EXPECT_EQ(tokens.front(), words.bos());
    EXPECT_EQ(tokens.back(), words.token("."));
    const auto needles = find_needles(tokens, words);
    ASSERT_GE(needles.size(), 1U);
    std::size_t answers = 0;
    for (std::size_t target = 0; target < 64; ++target) {
      if (batch.terms[static_cast<std::size_t>(row) * 64 + target] == answer) {
        // The first answer token follows its key, the second that one.
        const std::size_t key = answers % 2 == 0 ? target : target - 1;
        EXPECT_EQ(tokens[key - 2], words.token("what"));
        ASSERT_TRUE(needles.contains(tokens[key]));
        EXPECT_EQ(tokens[target + 1], needles.at(tokens[key]).value[answers % 2]);
        ++answers;
      }
    }
    EXPECT_EQ(answers, 2 * needles.size()) << "each needle is asked for once";
  }
}

TEST(NeedleBatches, TargetsAreTheNextTokens) {
  const NeedleBatches source(batch_of(128, 4), {.seed = 7}, long_format(), small_world().word_hay);
  const Batch batch = source.batch(0, 0, 4);
  ASSERT_EQ(batch.tokens.size(), 4U * 128);
  for (std::size_t row = 0; row < 4; ++row) {
    for (std::size_t token = 0; token + 1 < 128; ++token) {
      EXPECT_EQ(batch.targets[row * 128 + token], batch.tokens[row * 128 + token + 1]);
    }
  }
  EXPECT_TRUE(batch.segment_ids.empty()) << "one document a row";
}

void expect_rows_are_parts(const BatchSource& source) {
  const std::int64_t rows = source.sequences_per_step();
  const std::int64_t length = source.context_length();
  const Batch all = source.batch(5, 0, rows);
  for (std::int64_t row = rows; row-- > 0;) {
    (void)source.batch(9, 0, 1);  // what was asked for before must not matter
    const Batch one = source.batch(5, row, 1);
    for (std::int64_t token = 0; token < length; ++token) {
      const auto here = static_cast<std::size_t>(token);
      const auto there = static_cast<std::size_t>(row * length + token);
      ASSERT_EQ(one.tokens[here], all.tokens[there]);
      ASSERT_EQ(one.targets[here], all.targets[there]);
      ASSERT_EQ(one.terms[here], all.terms[there]);
      ASSERT_EQ(one.loss_weight[here], all.loss_weight[there]);
    }
  }
}

TEST(NeedleBatches, DoNotDependOnHowTheyAreAskedFor) {
  expect_rows_are_parts(NeedleBatches(batch_of(64, 6), {.seed = 7}, short_format(), small_world().word_hay));
  const NeedleBatches one(batch_of(64, 6), {.seed = 7}, short_format(), small_world().word_hay);
  const NeedleBatches other(batch_of(64, 3), {.seed = 7}, short_format(), small_world().word_hay);
  EXPECT_EQ(one.batch(1, 0, 3).tokens, other.batch(2, 0, 3).tokens) << "rows are numbered through all steps";
}

TEST(NeedleBatches, SeedStageAndStepAllMatter) {
  const auto tokens = [](std::uint64_t seed, std::uint64_t stage, std::int64_t step) {
    const NeedleBatches source(batch_of(64, 1), {.seed = seed, .stage = stage}, short_format(), small_world().word_hay);
    return source.batch(step, 0, 1).tokens;
  };
  EXPECT_EQ(tokens(1, 1, 1), tokens(1, 1, 1));
  EXPECT_NE(tokens(1, 1, 1), tokens(2, 1, 1));
  EXPECT_NE(tokens(1, 1, 1), tokens(1, 2, 1));
  EXPECT_NE(tokens(1, 1, 1), tokens(1, 1, 2));
}

/// Sum over the step of loss_weight of a term.
double weight_of(const Batch& batch, TermIndex term) {
  double sum = 0;
  for (std::size_t target = 0; target < batch.terms.size(); ++target) {
    sum += batch.terms[target] == term ? static_cast<double>(batch.loss_weight[target]) : 0.0;
  }
  return sum;
}

TEST(NeedleBatches, WeightsOfAStepSumToTheirShares) {
  for (const LossMean mean : {LossMean::tokens, LossMean::sequences}) {
    const NeedleBatches source(batch_of(128, 16, 0.3, mean), {.seed = 7}, long_format(), small_world().word_hay);
    const Batch rows = source.batch(0, 0, 16);
    EXPECT_NEAR(weight_of(rows, answer), 1.0, 1e-5);
    EXPECT_NEAR(weight_of(rows, text), 0.3, 1e-5);
    EXPECT_EQ(weight_of(rows, no_term), 0.0);
  }
}

TEST(NeedleBatches, MeansOverTokensAndRowsWeighDifferently) {
  const NeedleBatches tokens(batch_of(256, 16, 0.0), {.seed = 7}, long_format(), small_world().word_hay);
  const NeedleBatches rows(batch_of(256, 16, 0.0, LossMean::sequences), {.seed = 7}, long_format(),
                           small_world().word_hay);
  for (std::int64_t row = 0; row < 16; ++row) {
    const Batch one = rows.batch(0, row, 1);
    EXPECT_NEAR(weight_of(one, answer), 1.0 / 16, 1e-6);
  }
  const Batch all = tokens.batch(0, 0, 16);
  const auto answers = std::ranges::count(all.terms, answer);
  for (std::size_t target = 0; target < all.terms.size(); ++target) {
    if (all.terms[target] == answer) {
      EXPECT_FLOAT_EQ(all.loss_weight[target], 1.0F / static_cast<float>(answers));
    }
  }
}

TEST(NeedleBatches, AQuarterOfTheOtherTargetsIsText) {
  const NeedleBatches source(batch_of(1024, 4), {.seed = 7}, long_format(), small_world().word_hay);
  for (std::int64_t row = 0; row < 4; ++row) {
    const Batch one = source.batch(0, row, 1);
    const auto answers = std::ranges::count(one.terms, answer);
    const auto texts = std::ranges::count(one.terms, text);
    EXPECT_EQ(texts, std::llround(0.25 * static_cast<double>(1024 - answers)));
    const auto early = std::ranges::count(one.terms.begin(), one.terms.begin() + 512, text);
    EXPECT_NEAR(static_cast<double>(early), static_cast<double>(texts) / 2, 60) << "spread over the row";
  }
  const NeedleBatches without(batch_of(1024, 1, 0.0), {.seed = 7}, long_format(), small_world().word_hay);
  EXPECT_EQ(std::ranges::count(without.batch(0, 0, 1).terms, text), 0);
}

TEST(NeedleBatches, NeedleCountsFollowTheRecipe) {
  // L = 256: floor(0.9 * 256 / 18) = 12 needles at most. Log-uniform: P(1) = ln(1.5) / ln(12.49) = 0.1606.
  constexpr std::int64_t rows = 4000;
  const NeedleBatches source(batch_of(256, rows, 0.0), {.seed = 11}, long_format(), small_world().word_hay);
  const Batch batch = source.batch(0, 0, rows);
  std::map<std::ptrdiff_t, std::int64_t> times;
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto begin = batch.terms.begin() + row * 256;
    ++times[std::count(begin, begin + 256, answer) / 2];
  }
  EXPECT_EQ(times.begin()->first, 1);
  EXPECT_EQ(times.rbegin()->first, 12);
  const double dense = 0.5 + 0.5 * std::log(12.49 / 11.5) / std::log(12.49);
  EXPECT_NEAR(static_cast<double>(times[12]), dense * rows, 5 * std::sqrt(dense * (1 - dense) * rows));
  EXPECT_NEAR(static_cast<double>(times[1]), 0.5 * 0.1606 * rows, 5 * std::sqrt(0.08 * 0.92 * rows));
}

TEST(NeedleBatches, TheLastNeedleIsMovedToDepthOneAsOftenAsAskedFor) {
  const WordTokenizer& words = small_world().words;
  const auto share_at_depth_one = [&](double probability) {
    constexpr std::int64_t rows = 400;
    const NeedleBatches source(
        batch_of(512, rows, 0.0),
        {.seed = 5, .dense_probability = 0.0, .max_needles = 1, .last_depth_probability = probability}, short_format(),
        small_world().word_hay);
    const Batch batch = source.batch(0, 0, rows);
    int last = 0;
    for (std::int64_t row = 0; row < rows; ++row) {
      const auto needles = find_needles(whole_row(batch, row), words);
      EXPECT_EQ(needles.size(), 1U);
      last += needles.begin()->second.end == 513 - 6 ? 1 : 0;
    }
    return static_cast<double>(last) / rows;
  };
  EXPECT_EQ(share_at_depth_one(1.0), 1.0);
  EXPECT_LT(share_at_depth_one(0.0), 0.02);
  EXPECT_NEAR(share_at_depth_one(0.5), 0.5, 0.13);
}

TEST(NeedleBatches, TheNeedleAtDepthOneIsAskedForFirst) {
  const WordTokenizer& words = small_world().words;
  constexpr std::int64_t rows = 50;
  const NeedleBatches source(batch_of(256, rows, 0.0),
                             {.seed = 5, .dense_probability = 1.0, .max_needles = 4, .last_depth_probability = 1.0},
                             short_format(), small_world().word_hay);
  const Batch batch = source.batch(0, 0, rows);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::vector<Token> tokens = whole_row(batch, row);
    const std::size_t questions = tokens.size() - std::size_t{4} * 6;
    const Token needle_key = tokens[questions - 4];  // magic KEY V V . | what magic KEY V V .
    EXPECT_TRUE(words.is_key(needle_key)) << "row " << row;
    EXPECT_EQ(tokens[questions + 2], needle_key) << "row " << row;
  }
}

TEST(NeedleBatches, SeveralDocumentsAreKeptApart) {
  const WordTokenizer& words = small_world().words;
  const NeedleBatches source(batch_of(256, 3, 0.2), {.seed = 7, .documents_per_sequence = 4}, short_format(),
                             small_world().word_hay);
  expect_rows_are_parts(source);
  const Batch batch = source.batch(0, 0, 3);
  ASSERT_EQ(batch.segment_ids.size(), 3U * 256);
  EXPECT_NEAR(weight_of(batch, answer), 1.0, 1e-5);
  EXPECT_NEAR(weight_of(batch, text), 0.2, 1e-5);
  for (std::size_t target = 0; target < batch.tokens.size(); ++target) {
    EXPECT_EQ(batch.segment_ids[target], static_cast<std::int32_t>(target % 256 / 64));
    EXPECT_EQ(batch.tokens[target] == words.bos(), target % 64 == 0);
    if (batch.targets[target] == words.bos()) {
      EXPECT_EQ(batch.terms[target], no_term) << "no target crosses a border";
    }
    if (batch.terms[target] == answer) {
      EXPECT_TRUE(words.is_value(batch.targets[target]));
    }
  }
}

TEST(NeedleBatches, CanLeaveOutDocumentIds) {
  BatchOptions batch = batch_of(256, 2);
  batch.attends_within_documents = false;
  const NeedleBatches source(batch, {.seed = 7, .documents_per_sequence = 4}, short_format(), small_world().word_hay);
  EXPECT_TRUE(source.batch(0, 0, 2).segment_ids.empty());
}

TEST(NeedleBatches, ALossThatIsASumWeighsEveryTargetAlike) {
  const NeedleBatches source(batch_of(256, 2, 0.25, LossMean::none), {.seed = 7}, short_format(),
                             small_world().word_hay);
  const Batch batch = source.batch(0, 0, 2);
  for (std::size_t target = 0; target < batch.terms.size(); ++target) {
    EXPECT_EQ(batch.loss_weight[target], batch.terms[target] == answer ? 1.0F
                                         : batch.terms[target] == text ? 0.25F
                                                                       : 0.0F);
  }
}

TEST(NeedleBatches, SayWhatWouldFit) {
  const auto make = [](const BatchOptions& batch, const NeedleBatchOptions& options) {
    const NeedleBatches refused(batch, options, long_format(), small_world().word_hay);
  };
  const auto hay = small_world().word_hay.tokens(HaystackPart::training).size();
  expect_error(ErrorKind::bad_input, [&] { make(batch_of(17, 1), {}); }, {"context length 17", "19"});
  EXPECT_NO_THROW(make(batch_of(18, 1), {}));
  expect_error(ErrorKind::bad_input, [&] { make(batch_of(1'000'000, 1), {}); },
               {"context length 1000000", "999982", std::to_string(hay), std::to_string(hay + 18)});
  EXPECT_NO_THROW(make(batch_of(static_cast<std::int64_t>(hay) + 18, 1), {}));
  expect_error(ErrorKind::bad_input, [&] { make(batch_of(256, 1), {.documents_per_sequence = 3}); },
               {"256", "3 documents"});
  expect_error(ErrorKind::bad_input, [&] { make(batch_of(256, 0), {}); }, {"batch 0"});
  expect_error(ErrorKind::bad_input, [&] { make(batch_of(256, 1), {.text_share = 2}); }, {"text share 2"});
}

}  // namespace
}  // namespace ringworld::test
