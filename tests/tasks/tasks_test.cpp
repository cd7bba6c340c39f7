#include "tasks/tasks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "data/small_world.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

/// Gives the keys that it has a text for their values, and remembers all that it was shown.
class MapKeys final : public TaskKeys {
 public:
  explicit MapKeys(std::map<std::string, double> values = {}, std::map<std::string, std::string> names = {})
      : values_(std::move(values)), names_(std::move(names)) {}

  void visit(std::string_view key, bool& value) override { value = number(key, value ? 1 : 0) != 0; }
  void visit(std::string_view key, std::int64_t& value) override {
    value = static_cast<std::int64_t>(number(key, static_cast<double>(value)));
  }
  void visit(std::string_view key, double& value) override { value = number(key, value); }
  void visit(std::string_view key, std::string& value) override {
    shown.emplace(key);
    const auto given = names_.find(std::string(key));
    value = given == names_.end() ? value : given->second;
  }

  std::set<std::string> shown;

 private:
  double number(std::string_view key, double value) {
    shown.emplace(key);
    const auto given = values_.find(std::string(key));
    return given == values_.end() ? value : given->second;
  }

  std::map<std::string, double> values_;
  std::map<std::string, std::string> names_;
};

const TaskStage small_stage{.index = 1, .context_length = 128, .sequences_per_step = 3};

TaskData word_data() { return {.haystack = small_world().word_hay, .tokenizer = small_world().words, .seed = 7}; }

TEST(Tasks, AreMadeByTheirKind) {
  for (const std::string_view kind : {"text", "needle", "vision"}) {
    EXPECT_EQ(make_task(kind)->kind(), kind);
  }
  expect_error(ErrorKind::bad_input, [] { (void)make_task("nedle"); }, {"nedle", "did you mean 'needle'"});
}

TEST(Tasks, EveryKeyStandsInTheDescription) {
  for (const std::string_view kind : {"text", "needle", "vision"}) {
    const std::unique_ptr<Task> task = make_task(kind);
    MapKeys keys({}, {{"examples", "examples.jsonl"}, {"fields", "[vision],caption"}});
    task->visit_keys(keys);
    EXPECT_GE(keys.shown.size(), 2U);
    const std::string description = describe_task(*task);
    EXPECT_EQ(task_key(description, "kind"), kind);
    for (const std::string& key : keys.shown) {
      EXPECT_NE(task_key(description, key), "") << kind << ": " << key;
    }
    EXPECT_EQ(std::ranges::count(description, '\n'), static_cast<std::ptrdiff_t>(keys.shown.size() + 1));
  }
  EXPECT_EQ(task_key("kind = needle\ntemplate = long1\n", "emplate"), "");
}

TEST(Tasks, SourcesHaveTheTermsThatTheTaskNames) {
  for (const std::string_view kind : {"text", "needle"}) {
    const std::unique_ptr<Task> task = make_task(kind);
    const auto source = task->source(word_data(), small_stage);
    const std::vector<LossTerm> terms = task->terms();
    ASSERT_EQ(source->terms().size(), terms.size());
    const Batch batch = source->batch(0, 0, small_stage.sequences_per_step);
    EXPECT_EQ(batch.segment_ids.empty(), !task->has_documents()) << kind;
    const TermCounts counts = count_terms(batch.terms, terms.size());
    for (std::size_t term = 0; term < terms.size(); ++term) {
      EXPECT_EQ(source->terms()[term].name, terms[term].name);
      EXPECT_GT(counts[term], 0) << kind << ": " << terms[term].name;
    }
  }
}

TEST(NeedleTask, ItsKeysChangeItsSequences) {
  const std::unique_ptr<Task> task = make_task("needle");
  MapKeys keys({{"text_weight", 0}, {"max_needles", 1}, {"documents_per_sequence", 2}, {"keys", 3}},
               {{"template", "short1"}, {"loss_mean", "sequences"}});
  task->visit_keys(keys);
  EXPECT_EQ(task->terms()[1].weight, 0);
  EXPECT_EQ(task->terms()[0].mean, LossMean::sequences);
  EXPECT_TRUE(task->has_documents());
  EXPECT_EQ(task->words().keys, (std::vector<std::string>{"Paris", "London", "Berlin"}));
  const Batch batch = task->source(word_data(), small_stage)->batch(0, 0, 1);
  EXPECT_EQ(batch.segment_ids.back(), 1);
  EXPECT_EQ(count_terms(batch.terms, 2), (TermCounts{4, 0})) << "two documents, a needle of two value tokens each";
  EXPECT_EQ(task_key(describe_task(*task), "template"), "short1");
}

TEST(NeedleTask, RefusesWhatCannotBe) {
  const auto visit = [](MapKeys keys) { make_task("needle")->visit_keys(keys); };
  expect_error(ErrorKind::bad_input, [&] { visit(MapKeys({{"text_share", 2}})); }, {"text share 2"});
  expect_error(ErrorKind::bad_input, [&] { visit(MapKeys({}, {{"template", "long2"}})); }, {"long2", "long1"});
  expect_error(ErrorKind::bad_input, [&] { visit(MapKeys({}, {{"loss_mean", "rows"}})); }, {"rows", "tokens"});
  expect_error(ErrorKind::bad_input,
               [] {
                 const TaskData data{.haystack = small_world().byte_hay, .tokenizer = small_world().bytes, .seed = 1};
                 (void)make_task("needle")->source(data, small_stage);
               },
               {"tokenizer = \"word\"", "byte"});
}

}  // namespace
}  // namespace ringworld::test
