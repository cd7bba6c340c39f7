#include "experiments/common/binding_report.hpp"

#include <gtest/gtest.h>

namespace ringworld::test {
namespace {

RankRow rank_at(std::int64_t rank, std::string_view host, std::string_view cpus, std::string_view cores,
                std::string_view numa, std::string_view device = "host") {
  RankRow row;
  row.rank = rank;
  row.host = host;
  row.binding = cpus;
  row.core_binding = cores;
  row.numa_binding = numa;
  row.device = device;
  return row;
}

TEST(BindingReport, IsOneLineWhereAllRanksHaveOnePlace) {
  const std::vector<RankRow> ranks{rank_at(0, "n1", "0-3", "0-3", "0"), rank_at(1, "n1", "0-3", "0-3", "0"),
                                   rank_at(2, "n2", "0-3", "0-3", "0"), rank_at(3, "n2", "0-3", "0-3", "0")};
  EXPECT_EQ(describe_binding(ranks), "4 ranks on 2 nodes (n1, ...), each on CPUs 0-3 (cores 0-3, NUMA 0), on host");
  EXPECT_EQ(describe_binding(std::span(ranks).first(1)),
            "1 rank on 1 node (n1), on CPUs 0-3 (cores 0-3, NUMA 0), on host");
  EXPECT_TRUE(binding_warnings(ranks).empty());
}

TEST(BindingReport, ShowsNodesThatLookAlikeOnce) {
  const std::vector<RankRow> ranks{rank_at(0, "n1", "0", "0", "0", "H200 GPU-a"),
                                   rank_at(1, "n1", "1", "1", "0", "H200 GPU-b"),
                                   rank_at(2, "n2", "0", "0", "0", "H200 GPU-c"),
                                   rank_at(3, "n2", "1", "1", "0", "H200 GPU-d"), rank_at(4, "n3", "0-7", "0-7", "0")};
  const std::string text = describe_binding(ranks);
  EXPECT_NE(text.find("5 ranks on 3 nodes:\n"), std::string::npos) << text;
  EXPECT_NE(text.find("H200 GPU-a"), std::string::npos) << text;
  EXPECT_NE(text.find("and 1 node more like n1"), std::string::npos) << text;
  EXPECT_EQ(text.find("H200 GPU-c"), std::string::npos) << text;
  EXPECT_NE(text.find("n3"), std::string::npos) << text;
}

TEST(BindingReport, WarnsOfHardwareThreadsOfOneCore) {
  const std::vector<RankRow> ranks{rank_at(0, "n1", "0", "0", "0"), rank_at(1, "n1", "8", "0", "0"),
                                   rank_at(2, "n1", "1", "1", "0"), rank_at(3, "n2", "16", "1", "0")};
  const auto warnings = binding_warnings(ranks);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("ranks 0 and 1 on n1 have hardware threads of the same core 0"), std::string::npos);
}

TEST(BindingReport, WarnsOnceOfARankThatIsSpreadOverNumaNodes) {
  const std::vector<RankRow> ranks{rank_at(0, "n1", "0-15", "0-15", "0-1"), rank_at(1, "n1", "0-15", "0-15", "0-1")};
  const auto warnings = binding_warnings(ranks);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("rank 0 on n1 may run on NUMA nodes 0-1"), std::string::npos);
}

TEST(BindingReport, WarnsOfASharedGpuOnOneNode) {
  const std::vector<RankRow> ranks{rank_at(0, "n1", "0", "0", "0", "H200 GPU-a"),
                                   rank_at(1, "n1", "1", "1", "0", "H200 GPU-a")};
  const auto warnings = binding_warnings(ranks);
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_NE(warnings[0].find("ranks 0 and 1 on n1 share H200 GPU-a"), std::string::npos);
}

}  // namespace
}  // namespace ringworld::test
