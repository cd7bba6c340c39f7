#include "data/needle_rows.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "small_world.hpp"
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

BatchOptions batch_of(std::int64_t context_length, std::int64_t rows, double text_weight = 0.1) {
  return {.context_length = context_length, .rows_per_step = rows, .text_weight = text_weight};
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

TEST(NeedleRows, AnswersAreWhatTheNeedlesSay) {
  const WordTokenizer& words = small_world().words;
  const NeedleRows source(batch_of(64, 50), {.seed = 7}, short_format(), small_world().word_hay);
  const Batch batch = source.rows(3, 0, 50);
  for (std::int64_t row = 0; row < 50; ++row) {
    const std::vector<Token> tokens = whole_row(batch, row);
    ASSERT_EQ(tokens.size(), 65U);
    EXPECT_EQ(tokens.front(), words.bos());
    EXPECT_EQ(tokens.back(), words.token("."));
    const auto needles = find_needles(tokens, words);
    ASSERT_GE(needles.size(), 1U);
    std::size_t answers = 0;
    for (std::size_t target = 0; target < 64; ++target) {
      if (batch.kinds[static_cast<std::size_t>(row) * 64 + target] == TargetKind::answer) {
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

TEST(NeedleRows, TargetsAreTheNextTokens) {
  const NeedleRows source(batch_of(128, 4), {.seed = 7}, long_format(), small_world().word_hay);
  const Batch batch = source.rows(0, 0, 4);
  ASSERT_EQ(batch.tokens.size(), 4U * 128);
  for (std::size_t row = 0; row < 4; ++row) {
    for (std::size_t token = 0; token + 1 < 128; ++token) {
      EXPECT_EQ(batch.targets[row * 128 + token], batch.tokens[row * 128 + token + 1]);
    }
  }
  EXPECT_TRUE(batch.segment_ids.empty()) << "one document a row";
}

void expect_rows_are_parts(const BatchSource& source) {
  const std::int64_t rows = source.rows_per_step();
  const std::int64_t length = source.context_length();
  const Batch all = source.rows(5, 0, rows);
  for (std::int64_t row = rows; row-- > 0;) {
    (void)source.rows(9, 0, 1);  // what was asked for before must not matter
    const Batch one = source.rows(5, row, 1);
    for (std::int64_t token = 0; token < length; ++token) {
      const auto here = static_cast<std::size_t>(token);
      const auto there = static_cast<std::size_t>(row * length + token);
      ASSERT_EQ(one.tokens[here], all.tokens[there]);
      ASSERT_EQ(one.targets[here], all.targets[there]);
      ASSERT_EQ(one.kinds[here], all.kinds[there]);
      ASSERT_EQ(one.loss_weight[here], all.loss_weight[there]);
    }
  }
}

TEST(NeedleRows, DoNotDependOnHowTheyAreAskedFor) {
  expect_rows_are_parts(NeedleRows(batch_of(64, 6), {.seed = 7}, short_format(), small_world().word_hay));
  const NeedleRows one(batch_of(64, 6), {.seed = 7}, short_format(), small_world().word_hay);
  const NeedleRows other(batch_of(64, 3), {.seed = 7}, short_format(), small_world().word_hay);
  EXPECT_EQ(one.rows(1, 0, 3).tokens, other.rows(2, 0, 3).tokens) << "rows are numbered through all steps";
}

TEST(NeedleRows, SeedStageAndStepAllMatter) {
  const auto tokens = [](std::uint64_t seed, std::uint64_t stage, std::int64_t step) {
    const NeedleRows source(batch_of(64, 1), {.seed = seed, .stage = stage}, short_format(), small_world().word_hay);
    return source.rows(step, 0, 1).tokens;
  };
  EXPECT_EQ(tokens(1, 1, 1), tokens(1, 1, 1));
  EXPECT_NE(tokens(1, 1, 1), tokens(2, 1, 1));
  EXPECT_NE(tokens(1, 1, 1), tokens(1, 2, 1));
  EXPECT_NE(tokens(1, 1, 1), tokens(1, 1, 2));
}

/// Sum over the step of loss_weight of a kind.
double weight_of(const Batch& batch, TargetKind kind) {
  double sum = 0;
  for (std::size_t target = 0; target < batch.kinds.size(); ++target) {
    sum += batch.kinds[target] == kind ? static_cast<double>(batch.loss_weight[target]) : 0.0;
  }
  return sum;
}

TEST(NeedleRows, WeightsOfAStepSumToTheirShares) {
  for (const LossMean mean : {LossMean::tokens, LossMean::rows}) {
    BatchOptions batch = batch_of(128, 16, 0.3);
    batch.mean = mean;
    const NeedleRows source(batch, {.seed = 7}, long_format(), small_world().word_hay);
    const Batch rows = source.rows(0, 0, 16);
    EXPECT_NEAR(weight_of(rows, TargetKind::answer), 1.0, 1e-5);
    EXPECT_NEAR(weight_of(rows, TargetKind::text), 0.3, 1e-5);
    EXPECT_EQ(weight_of(rows, TargetKind::none), 0.0);
  }
}

TEST(NeedleRows, MeansOverTokensAndRowsWeighDifferently) {
  BatchOptions batch = batch_of(256, 16, 0.0);
  const NeedleRows tokens(batch, {.seed = 7}, long_format(), small_world().word_hay);
  batch.mean = LossMean::rows;
  const NeedleRows rows(batch, {.seed = 7}, long_format(), small_world().word_hay);
  for (std::int64_t row = 0; row < 16; ++row) {
    const Batch one = rows.rows(0, row, 1);
    EXPECT_NEAR(weight_of(one, TargetKind::answer), 1.0 / 16, 1e-6);
  }
  const Batch all = tokens.rows(0, 0, 16);
  const auto answers = std::ranges::count(all.kinds, TargetKind::answer);
  for (std::size_t target = 0; target < all.kinds.size(); ++target) {
    if (all.kinds[target] == TargetKind::answer) {
      EXPECT_FLOAT_EQ(all.loss_weight[target], 1.0F / static_cast<float>(answers));
    }
  }
}

TEST(NeedleRows, AQuarterOfTheOtherTargetsIsText) {
  const NeedleRows source(batch_of(1024, 4), {.seed = 7}, long_format(), small_world().word_hay);
  for (std::int64_t row = 0; row < 4; ++row) {
    const Batch one = source.rows(0, row, 1);
    const auto answers = std::ranges::count(one.kinds, TargetKind::answer);
    const auto text = std::ranges::count(one.kinds, TargetKind::text);
    EXPECT_EQ(text, std::llround(0.25 * static_cast<double>(1024 - answers)));
    const auto early = std::ranges::count(one.kinds.begin(), one.kinds.begin() + 512, TargetKind::text);
    EXPECT_NEAR(static_cast<double>(early), static_cast<double>(text) / 2, 60) << "spread over the row";
  }
  const NeedleRows without(batch_of(1024, 1, 0.0), {.seed = 7}, long_format(), small_world().word_hay);
  EXPECT_EQ(std::ranges::count(without.rows(0, 0, 1).kinds, TargetKind::text), 0);
}

TEST(NeedleRows, NeedleCountsFollowTheRecipe) {
  // L = 256: floor(0.9 * 256 / 18) = 12 needles at most. Log-uniform: P(1) = ln(1.5) / ln(12.49) = 0.1606.
  constexpr std::int64_t rows = 4000;
  const NeedleRows source(batch_of(256, rows, 0.0), {.seed = 11}, long_format(), small_world().word_hay);
  const Batch batch = source.rows(0, 0, rows);
  std::map<std::ptrdiff_t, std::int64_t> times;
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto begin = batch.kinds.begin() + row * 256;
    ++times[std::count(begin, begin + 256, TargetKind::answer) / 2];
  }
  EXPECT_EQ(times.begin()->first, 1);
  EXPECT_EQ(times.rbegin()->first, 12);
  const double dense = 0.5 + 0.5 * std::log(12.49 / 11.5) / std::log(12.49);
  EXPECT_NEAR(static_cast<double>(times[12]), dense * rows, 5 * std::sqrt(dense * (1 - dense) * rows));
  EXPECT_NEAR(static_cast<double>(times[1]), 0.5 * 0.1606 * rows, 5 * std::sqrt(0.08 * 0.92 * rows));
}

TEST(NeedleRows, TheLastNeedleIsMovedToDepthOneAsOftenAsAskedFor) {
  const WordTokenizer& words = small_world().words;
  const auto share_at_depth_one = [&](double probability) {
    constexpr std::int64_t rows = 400;
    const NeedleRows source(
        batch_of(512, rows, 0.0),
        {.seed = 5, .dense_probability = 0.0, .max_needles = 1, .last_depth_probability = probability}, short_format(),
        small_world().word_hay);
    const Batch batch = source.rows(0, 0, rows);
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

TEST(NeedleRows, TheNeedleAtDepthOneIsAskedForFirst) {
  const WordTokenizer& words = small_world().words;
  constexpr std::int64_t rows = 50;
  const NeedleRows source(batch_of(256, rows, 0.0),
                          {.seed = 5, .dense_probability = 1.0, .max_needles = 4, .last_depth_probability = 1.0},
                          short_format(), small_world().word_hay);
  const Batch batch = source.rows(0, 0, rows);
  for (std::int64_t row = 0; row < rows; ++row) {
    const std::vector<Token> tokens = whole_row(batch, row);
    const std::size_t questions = tokens.size() - std::size_t{4} * 6;
    const Token needle_key = tokens[questions - 4];  // magic KEY V V . | what magic KEY V V .
    EXPECT_TRUE(words.is_key(needle_key)) << "row " << row;
    EXPECT_EQ(tokens[questions + 2], needle_key) << "row " << row;
  }
}

TEST(NeedleRows, SeveralDocumentsAreKeptApart) {
  const WordTokenizer& words = small_world().words;
  const NeedleRows source(batch_of(256, 3, 0.2), {.seed = 7, .documents_per_row = 4}, short_format(),
                          small_world().word_hay);
  expect_rows_are_parts(source);
  const Batch batch = source.rows(0, 0, 3);
  ASSERT_EQ(batch.segment_ids.size(), 3U * 256);
  EXPECT_NEAR(weight_of(batch, TargetKind::answer), 1.0, 1e-5);
  EXPECT_NEAR(weight_of(batch, TargetKind::text), 0.2, 1e-5);
  for (std::size_t target = 0; target < batch.tokens.size(); ++target) {
    EXPECT_EQ(batch.segment_ids[target], static_cast<std::int32_t>(target % 256 / 64));
    EXPECT_EQ(batch.tokens[target] == words.bos(), target % 64 == 0);
    if (batch.targets[target] == words.bos()) {
      EXPECT_EQ(batch.kinds[target], TargetKind::none) << "no target crosses a border";
    }
    if (batch.kinds[target] == TargetKind::answer) {
      EXPECT_TRUE(words.is_value(batch.targets[target]));
    }
  }
}

TEST(NeedleRows, CanBehaveAsLwmsReleasedCode) {
  BatchOptions batch = batch_of(256, 2);
  batch.attends_within_documents = false;
  batch.loss_over_everything = true;
  const NeedleRows source(batch, {.seed = 7, .documents_per_row = 4}, short_format(), small_world().word_hay);
  const Batch rows = source.rows(0, 0, 2);
  EXPECT_TRUE(rows.segment_ids.empty());
  for (const float weight : rows.loss_weight) {
    EXPECT_EQ(weight, 1.0F / 512);
  }
}

TEST(NeedleRows, SayWhatWouldFit) {
  const auto make = [](const BatchOptions& batch, const NeedleRowOptions& options) {
    const NeedleRows refused(batch, options, long_format(), small_world().word_hay);
  };
  const auto hay = small_world().word_hay.tokens(HaystackPart::training).size();
  expect_error(ErrorKind::bad_input, [&] { make(batch_of(17, 1), {}); }, {"context length 17", "19"});
  EXPECT_NO_THROW(make(batch_of(18, 1), {}));
  expect_error(ErrorKind::bad_input, [&] { make(batch_of(1'000'000, 1), {}); },
               {"context length 1000000", "999982", std::to_string(hay), std::to_string(hay + 18)});
  EXPECT_NO_THROW(make(batch_of(static_cast<std::int64_t>(hay) + 18, 1), {}));
  expect_error(ErrorKind::bad_input, [&] { make(batch_of(256, 1), {.documents_per_row = 3}); }, {"256", "3 documents"});
  expect_error(ErrorKind::bad_input, [&] { make(batch_of(256, 0), {}); }, {"batch 0"});
  expect_error(ErrorKind::bad_input, [&] { make(batch_of(256, 1), {.text_share = 2}); }, {"text share 2"});
}

}  // namespace
}  // namespace ringworld::test
