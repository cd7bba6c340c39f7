#include "experiments/common/cpu_sharing.hpp"

#include <gtest/gtest.h>

namespace ringworld::test {
namespace {

std::string found(const std::vector<RankCpus>& ranks) { return describe_cpu_sharing(ranks).value_or(""); }

TEST(CpuSharing, ThreadsWithACpuEachShareNothing) {
  EXPECT_EQ(found({{.rank = 0, .threads = 2, .cpus = {0, 1, 2, 3}}, {.rank = 1, .threads = 2, .cpus = {0, 1, 2, 3}}}),
            "");
  EXPECT_EQ(found({{.rank = 0, .threads = 1, .cpus = {0}}, {.rank = 1, .threads = 1, .cpus = {1}}}), "");
}

TEST(CpuSharing, ARankWithMoreThreadsThanCpusIsNamed) {
  EXPECT_EQ(found({{.rank = 3, .threads = 2, .cpus = {5}}}), "2 threads of rank 3 share 1 CPU (bound to 5)");
}

TEST(CpuSharing, RanksBoundToOneCpuAreNamedThoughTheNodeHasMore) {
  EXPECT_EQ(found({{.rank = 0, .threads = 1, .cpus = {0}},
                   {.rank = 1, .threads = 1, .cpus = {0}},
                   {.rank = 2, .threads = 1, .cpus = {0, 1, 2, 3}}}),
            "2 threads of ranks 0, 1 share 1 CPU (bound to 0)");
}

TEST(CpuSharing, BindingsThatOverlapCountTogether) {
  EXPECT_EQ(found({{.rank = 0, .threads = 2, .cpus = {0, 1}},
                   {.rank = 1, .threads = 2, .cpus = {1, 2}},
                   {.rank = 2, .threads = 2, .cpus = {0, 1, 2}}}),
            "6 threads of ranks 0, 1, 2 share 3 CPUs (bound to 0-2)");
}

TEST(CpuSharing, RanksThatTakeNoPartDoNotCount) {
  EXPECT_EQ(found({{.rank = 0, .threads = 1, .cpus = {0}}, {.rank = 1, .threads = 0, .cpus = {0}}}), "");
}

TEST(CpuSharing, UnknownBindingsSayNothing) { EXPECT_EQ(found({{.rank = 0, .threads = 9, .cpus = {}}}), ""); }

}  // namespace
}  // namespace ringworld::test
