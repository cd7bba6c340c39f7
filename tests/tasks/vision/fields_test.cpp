#include "tasks/vision/fields.hpp"

#include <gtest/gtest.h>

#include <set>

#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

TEST(Fields, BracketsTakeTheLossAway) {
  EXPECT_EQ(parse_fields("[vision],caption"), (std::vector<ExampleField>{{{"vision"}, false}, {{"caption"}, true}}));
  EXPECT_EQ(parse_fields("<|bos|>,[vision+question],answer,<|eos|>"),
            (std::vector<ExampleField>{
                {{"<|bos|>"}, true}, {{"vision", "question"}, false}, {{"answer"}, true}, {{"<|eos|>"}, true}}));
}

TEST(Fields, RefuseWhatIsNoList) {
  for (const std::string_view text : {"", "a,,b", "[a", "a]", "[]", "a+,b", "[[a]]", "a b"}) {
    expect_error(ErrorKind::bad_input, [&] { (void)parse_fields(text); }, {"fields '"});
  }
}

TEST(Fields, AreChosenByTheNumberOfTheLine) {
  const std::vector<std::string> lists{"[vision],caption", "[caption],vision"};
  std::set<std::string> chosen;
  for (std::int64_t line = 1; line < 40; ++line) {
    EXPECT_EQ(choose_fields(lists, line), choose_fields(lists, line));
    chosen.insert(choose_fields(lists, line));
  }
  EXPECT_EQ(chosen.size(), 2U) << "a pair serves both directions";
}

}  // namespace
}  // namespace ringworld::test
