#include "io/schema.hpp"

#include <gtest/gtest.h>

#include "sample_row.hpp"

namespace ringworld {
namespace {

TEST(Schema, ListsEveryColumnOnce) {
  EXPECT_EQ(schema_section<test::SampleRow>(),
            "## `/group/samples`\n"
            "\n"
            "one | sample\n"
            "\n"
            "| column | unit | type | meaning |\n"
            "|---|---|---|---|\n"
            "| `valid` |  | bool | whether it counts |\n"
            "| `small` |  | int32 | a small number |\n"
            "| `name` |  | text, at most 4 bytes | a \\| name |\n"
            "| `bytes` | B | int64 | memory |\n"
            "| `causal` |  | bool | whether a query sees earlier tokens only |\n"
            "| `seconds` | s | float64 | wall time |\n");
}

}  // namespace
}  // namespace ringworld
