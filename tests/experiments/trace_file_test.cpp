#include "experiments/common/trace_file.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/trace.hpp"
#include "tests/io/temporary_directory.hpp"

namespace ringworld::test {
namespace {

using Json = nlohmann::json;

Json read(const std::filesystem::path& path) { return Json::parse(std::ifstream(path)); }

TEST(TraceFile, OfARankThatCannotGoOnIsItsOwn) {
  const Communicator world = Communicator::world();
  const TemporaryDirectory directory;
  const std::string path = directory / "trace.json";
  TraceFile trace(world);
  trace.begin(path, 100);
  {
    const TraceRegion region("what it was at");
  }
  const int failing = world.size() - 1;
  if (world.rank() == failing) {
    trace.write_alone();  // nobody else takes part
    const Json written = read(fmt::format("{}.rank{}", path, failing));
    EXPECT_EQ(written["otherData"]["ranks"], 1);
    EXPECT_EQ(written["otherData"]["spans"], 1);
    int found = 0;
    for (const Json& event : written["traceEvents"]) {
      EXPECT_EQ(event["pid"], failing);
      found += event["name"] == "what it was at" ? 1 : 0;
    }
    EXPECT_EQ(found, 1);
    trace.write_alone();  // there is one attempt
  }
  static_cast<void>(take_trace());
  world.barrier();
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace ringworld::test
