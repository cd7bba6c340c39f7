#include "io/schema.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>

#include "sample_row.hpp"

namespace ringworld {
namespace {

TEST(Schema, ListsEveryColumnOnce) {
  EXPECT_EQ(schema_section(schema_of<test::SampleRow>()),
            "## `/group/samples`\n"
            "\n"
            "one | sample\n"
            "\n"
            "| column | role | unit | type | meaning |\n"
            "|---|---|---|---|---|\n"
            "| `valid` | verdict |  | bool | whether it counts |\n"
            "| `small` | key |  | int32 | a small number |\n"
            "| `name` | key |  | text, at most 4 bytes | a \\| name |\n"
            "| `bytes` | model | B | int64 | memory |\n"
            "| `causal` | key |  | bool | whether a query sees earlier tokens only |\n"
            "| `seconds` | measure | s | float64 | wall time |\n");
}

TEST(Schema, AsJsonSaysTheSame) {
  const std::array layouts{schema_of<test::SampleRow>()};
  const std::string json = schema_json(layouts);
  EXPECT_TRUE(json.starts_with(
      "{\n  \"tables\": [\n    {\n      \"path\": \"/group/samples\",\n      \"meaning\": \"one | sample\""))
      << json;
  EXPECT_NE(json.find("          \"name\": \"bytes\",\n"
                      "          \"type\": \"int64\",\n"
                      "          \"unit\": \"B\",\n"
                      "          \"role\": \"model\",\n"
                      "          \"meaning\": \"memory\"\n"),
            std::string::npos)
      << json;
}

}  // namespace
}  // namespace ringworld
