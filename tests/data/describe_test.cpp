#include "data/describe.hpp"

#include <gtest/gtest.h>

#include "data/needle_rows.hpp"
#include "small_world.hpp"

namespace ringworld::test {
namespace {

TEST(Describe, MarksRunsAndLeavesOutWhatIsFarFromThem) {
  const ByteTokenizer bytes;
  const auto tokens = bytes.encode("0123456789abcdef");
  const std::vector<MarkedRun> runs{{.begin = 4, .length = 2},
                                    {.begin = 14, .length = 1, .opening = "<", .closing = ">"}};
  EXPECT_EQ(describe(bytes, tokens, runs), "0123 [ 45 ] 6789abcd < e > f");
  EXPECT_EQ(describe(bytes, tokens, runs, 2), "0123 [ 45 ] 67 ... cd < e > f");
  EXPECT_EQ(describe(bytes, tokens, runs, 0), "... [ 45 ] ... < e > ...");
}

TEST(Describe, ShowsNeedlesInBracesAndAnswersInBrackets) {
  const WordTokenizer& words = small_world().words;
  const NeedleFormat format(words, NeedleTemplate::short1);
  const NeedleTrial trial = draw_needle_trial(format, small_world().word_hay, {.context_length = 200, .depth = 1.0}, 0);
  const std::string text = describe(words, trial, 1);
  const std::string& key = trial.needles[0].key;
  const std::string value = trial.needles[0].value.substr(0, 2) + " " + trial.needles[0].value.substr(2);
  EXPECT_TRUE(text.starts_with("<bos> ... ")) << text;
  EXPECT_TRUE(text.ends_with("{ magic " + key + ": " + value + " . } what ... " + key + ": [ " + value + " ]")) << text;
}

TEST(Describe, ShowsTheAnswersOfABatch) {
  const WordTokenizer& words = small_world().words;
  const NeedleFormat format(words, NeedleTemplate::short1);
  const NeedleRows source({.context_length = 64, .rows_per_step = 2}, {.seed = 1, .dense_probability = 1.0}, format,
                          small_world().word_hay);
  const std::string text = describe(words, source.rows(0, 0, 2), 1);
  EXPECT_TRUE(text.starts_with("<bos> ")) << text;
  EXPECT_EQ(std::ranges::count(text, '['), 5) << text;
  EXPECT_TRUE(text.ends_with(" ]")) << text;
}

}  // namespace
}  // namespace ringworld::test
