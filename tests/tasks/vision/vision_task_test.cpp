#include "tasks/vision/vision_task.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "support/expect_error.hpp"
#include "tasks/tasks.hpp"
#include "tasks/vision/vision_world.hpp"

namespace ringworld::test {
namespace {

/// Sets keys by their texts.
class TextKeys final : public TaskKeys {
 public:
  explicit TextKeys(std::map<std::string, std::string> values) : values_(std::move(values)) {}

  void visit(std::string_view key, bool& value) override { value = text(key, value ? "1" : "0") == "1"; }
  void visit(std::string_view key, std::int64_t& value) override {
    value = std::stoll(text(key, std::to_string(value)));
  }
  void visit(std::string_view key, double& value) override { value = std::stod(text(key, std::to_string(value))); }
  void visit(std::string_view key, std::string& value) override { value = text(key, value); }

 private:
  std::string text(std::string_view key, const std::string& value) {
    const auto found = values_.find(std::string(key));
    return found == values_.end() ? value : found->second;
  }
  std::map<std::string, std::string> values_;
};

std::unique_ptr<Task> task_of(std::map<std::string, std::string> values) {
  std::unique_ptr<Task> task = make_task("vision");
  TextKeys keys(std::move(values));
  task->visit_keys(keys);
  return task;
}

std::unique_ptr<BatchSource> source_of(std::map<std::string, std::string> values, std::int64_t context_length,
                                       std::int64_t sequences) {
  return task_of(std::move(values))
      ->source(vision_world().data(), {.index = 0, .context_length = context_length, .sequences_per_step = sequences});
}

const std::string every_format = "image_text:2, text_image:2, video_text:2, text_video:2, video:1, text:1, needle:1";

/// Sum of weights by the name of the term.
std::map<std::string, double> weights_of(const BatchSource& source, const Batch& batch) {
  std::map<std::string, double> sums;
  for (std::size_t at = 0; at < batch.terms.size(); ++at) {
    if (batch.terms[at] != no_term) {
      sums[source.terms()[batch.terms[at]].name] += static_cast<double>(batch.loss_weight[at]);
    }
  }
  return sums;
}

TEST(VisionTask, PacksWholeDocumentsAndMasksThem) {
  const auto source = source_of({{"mix", "image_text:2,text_image:1"}, {"caption_drop", "0"}}, 80, 1);
  const Batch batch = source->batch(0, 0, 1);
  const VisionWorld& world = vision_world();
  // Three documents of 25 tokens, then padding.
  for (std::size_t token = 0; token < 80; ++token) {
    EXPECT_EQ(batch.segment_ids[token], token < 75 ? static_cast<std::int32_t>(token / 25) : -1);
    EXPECT_EQ(batch.tokens[token] == *world.words.bos(), token % 25 == 0 || token >= 75);
  }
  EXPECT_EQ(batch.terms[24], no_term) << "nothing predicts the next document";
  EXPECT_EQ(batch.terms[23], 0) << "eos is a target";
}

TEST(VisionTask, TheSideThatAnswersHasTheLoss) {
  const auto source = source_of({{"mix", "image_text:1,text_image:1"}, {"caption_drop", "0"}}, 49, 1);
  const Batch batch = source->batch(3, 0, 1);
  std::vector<std::string> names;
  for (const LossTerm& term : source->terms()) {
    names.push_back(term.name);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"image_text", "text_image", "delimiters"}));
  std::vector<TermIndex> expected(49, no_term);
  std::fill(expected.begin() + 19, expected.begin() + 24, TermIndex{0});           // red seven top left <eos>
  expected[25 + 4] = 2;                                                            // <vision>, after the caption
  std::fill(expected.begin() + 25 + 5, expected.begin() + 25 + 22, TermIndex{1});  // 16 codes and EOV
  expected[25 + 22] = 2;                                                           // </vision>
  expected[25 + 23] = 2;                                                           // <eos>
  EXPECT_EQ(batch.terms, expected);
}

TEST(VisionTask, CountsAreThoseOfTheRows) {
  for (const char* const packing : {"masked", "naive", "pad"}) {
    const bool is_pad = std::string_view(packing) == "pad";
    const auto source =
        source_of({{"mix", every_format}, {"packing", packing}, {"frames", "5"}, {"caption_drop", "0.5"}},
                  is_pad ? 100 : 300, is_pad ? 13 : 2);
    for (std::int64_t step = 0; step < 4; ++step) {
      // With the mean over tokens of the step each term's weights add up to its own, from wherever the rows come.
      std::map<std::string, double> sums;
      for (std::int64_t row = 0; row < source->sequences_per_step(); ++row) {
        for (const auto& [name, sum] : weights_of(*source, source->batch(step, row, 1))) {
          sums[name] += sum;
        }
      }
      for (const LossTerm& term : source->terms()) {
        EXPECT_NEAR(sums[term.name], term.weight, 1e-5) << packing << ' ' << term.name;
      }
    }
  }
}

TEST(VisionTask, TextAndVisionWeighTheSame) {
  std::map<std::string, double> weights;
  for (const LossTerm& term : task_of({{"mix", every_format}})->terms()) {
    weights[term.name] = term.weight;
  }
  EXPECT_NEAR(weights["text_image"] + weights["text_video"] + weights["video"], 0.5, 1e-12);
  EXPECT_NEAR(weights["image_text"] + weights["video_text"] + weights["needle"], 0.5, 1e-12);
  EXPECT_NEAR(weights["text"], 0.1 * weights["needle"], 1e-12);
}

TEST(VisionTask, ByTokensAModalityIsOneMean) {
  const auto source = source_of({{"mix", every_format}, {"loss", "tokens"}, {"frames", "5"}}, 300, 2);
  const Batch batch = source->batch(0, 0, 2);
  std::map<bool, std::set<float>> weights;
  double sum = 0;
  for (std::size_t at = 0; at < batch.terms.size(); ++at) {
    if (batch.terms[at] != no_term) {
      weights[vision_world().vocabulary.part_of(batch.targets[at]) == 1].insert(batch.loss_weight[at]);
      sum += static_cast<double>(batch.loss_weight[at]);
    }
  }
  EXPECT_EQ(weights[false].size(), 1U);
  EXPECT_EQ(weights[true].size(), 1U);
  EXPECT_NEAR(sum, 1, 1e-5);
}

TEST(VisionTask, ByRowsARowWithoutAModalityStillDivides) {
  // LWM's mean: the only row with frames to predict has half of the weight of vision, for there are two rows.
  const auto source = source_of({{"mix", "image_text:1,text_image:1"}, {"packing", "pad"}, {"loss", "rows"}}, 40, 2);
  std::map<std::string, double> sums = weights_of(*source, source->batch(0, 0, 2));
  EXPECT_NEAR(sums["text_image"], 0.5 / 2, 1e-6);
  EXPECT_NEAR(sums["image_text"], 0.5 / 2, 1e-6);
  EXPECT_NEAR(sums["delimiters"], 0.5 / 2, 1e-6);
}

TEST(VisionTask, ATruncatedRowKeepsLossAndTokensTogether) {
  // In LWM the loss mask of a cut row is shifted once more than its tokens.
  const std::map<std::string, std::string> keys{{"mix", "text_video:1"}, {"packing", "pad"}, {"caption_drop", "0"}};
  const Batch whole = source_of(keys, 58, 1)->batch(5, 0, 1);
  const Batch cut = source_of(keys, 31, 1)->batch(5, 0, 1);
  for (std::size_t token = 0; token < 31; ++token) {
    EXPECT_EQ(cut.tokens[token], whole.tokens[token]);
    EXPECT_EQ(cut.targets[token], whole.targets[token]);
    EXPECT_EQ(cut.terms[token], whole.terms[token]);
    EXPECT_EQ(cut.terms[token] == 0, vision_world().vocabulary.part_of(cut.targets[token]) == 1);
  }
}

TEST(VisionTask, NaiveRowsAreCutOutOfOneStream) {
  const std::map<std::string, std::string> keys{{"mix", "text_video:2"}, {"packing", "naive"}, {"caption_drop", "0"}};
  const auto source = source_of(keys, 50, 2);
  const Batch batch = source->batch(1, 0, 2);
  EXPECT_TRUE(batch.segment_ids.empty()) << "neighbours see each other";
  EXPECT_EQ(batch.targets[49], batch.tokens[50]) << "the second row goes on where the first ends";
  EXPECT_EQ(batch.tokens[59], *vision_world().words.bos());
}

TEST(VisionTask, AFrameThatDoesNotFitIsRefused) {
  expect_error(ErrorKind::bad_input, [] { (void)source_of({{"mix", "needle:1"}, {"frames", "64"}}, 1000, 1); },
               {"context_length 1000", "needle video of 64 frames", "frames do not fit its context", "1126 or more"});
  expect_error(ErrorKind::bad_input, [] { (void)source_of({{"mix", "image_text:9"}}, 50, 2); },
               {"fills 5 rows", "batch is 2"});
}

TEST(VisionTask, NeedlesAskForEveryDigitOnce) {
  const VisionWorld& world = vision_world();
  const auto source = source_of({{"mix", "needle:1"}, {"frames", "9"}}, 200, 1);
  bool has_few = false;
  for (std::int64_t step = 0; step < 12; ++step) {
    const Batch batch = source->batch(step, 0, 1);
    std::int64_t answers = 0;
    for (std::size_t at = 0; at < batch.terms.size(); ++at) {
      if (batch.terms[at] != no_term) {
        ++answers;
        const std::string word = world.words.decode(std::span(&batch.targets[at], 1));
        EXPECT_NE(std::ranges::find(digit_names, word), digit_names.end()) << word;
        EXPECT_EQ(batch.tokens[at - 1], world.words.token("is"));
        EXPECT_EQ(batch.targets[at + 1], world.words.token("."));
      }
    }
    EXPECT_EQ(std::ranges::count(batch.targets, world.words.token("what")), answers);
    EXPECT_TRUE(answers >= 1 && answers <= 6);
    has_few |= answers < 6;
  }
  EXPECT_TRUE(has_few);
}

TEST(VisionTask, DropsTheShareOfCaptionsThatItSays) {
  const auto source = source_of({{"mix", "text_image:40"}, {"caption_drop", "0.25"}}, 999, 1);
  std::int64_t dropped = 0;
  std::int64_t documents = 0;
  const VisionWorld& world = vision_world();
  for (std::int64_t step = 0; step < 10; ++step) {
    const Batch batch = source->batch(step, 0, 1);
    for (std::size_t at = 0; at + 1 < batch.tokens.size(); ++at) {
      if (batch.tokens[at] == *world.words.bos() && batch.segment_ids[at] >= 0) {
        ++documents;
        dropped += batch.tokens[at + 1] == world.words.token("<vision>") ? 1 : 0;
      }
    }
  }
  EXPECT_GE(documents, 390);
  EXPECT_NEAR(static_cast<double>(dropped) / static_cast<double>(documents), 0.25, 0.07);
}

TEST(VisionTask, RefusesMixturesThatMakeNoSense) {
  for (const auto& [mix, part] : std::map<std::string, std::string>{{"image_txt:1", "did you mean 'image_text'"},
                                                                    {"text", "give format:number"},
                                                                    {"text:1,text:2", "stands twice"},
                                                                    {"text:0", "no document"},
                                                                    {"text:x", "give format:number"}}) {
    expect_error(ErrorKind::bad_input, [&] { (void)task_of({{"mix", mix}}); }, {part});
  }
  expect_error(ErrorKind::bad_input, [] { (void)task_of({{"max_needles", "7"}}); }, {"max_needles is 7", "1 to 6"});
  expect_error(ErrorKind::bad_input, [] { (void)task_of({{"packing", "tight"}}); }, {"packing"});
}

TEST(VisionTask, NeedsFramesAndCards) {
  TaskData data = vision_world().data();
  const TaskStage stage{.index = 0, .context_length = 100, .sequences_per_step = 1};
  data.frames = nullptr;
  expect_error(ErrorKind::bad_input, [&] { (void)task_of({})->source(data, stage); }, {"frame_tokenizer"});
  const FrameData without_cards{.codes_per_frame = 16, .codebook_size = 256, .digest = {}};
  data.frames = &without_cards;
  expect_error(ErrorKind::bad_input, [&] { (void)task_of({})->source(data, stage); }, {"needs cards"});
}

}  // namespace
}  // namespace ringworld::test
