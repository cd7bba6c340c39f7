#include "io/rank_row.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <sstream>

#include "core/topology.hpp"

namespace ringworld {
namespace {

TEST(RankRow, DescribesThisProcess) {
  const auto row = describe_this_process(3);
  EXPECT_EQ(row.rank, 3);
  EXPECT_EQ(row.run, 0);
  EXPECT_FALSE(row.host.view().empty());
  EXPECT_FALSE(row.cpu.view().empty());
  EXPECT_FALSE(row.isa.view().empty());
  const NodeTopology node = node_topology();
  EXPECT_EQ(row.packages, node.packages);
  EXPECT_EQ(row.caches.view(), node.caches);
  EXPECT_EQ(row.device.view(), "host");
  EXPECT_EQ(row.pid, ::getpid());
}

TEST(ParseCpuinfo, ReadsTheX86Flavour) {
  std::istringstream text(
      "processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\nflags\t\t: fpu sse4_2 fma avx avx2 md_clear\n\n"
      "processor\t: 1\nmodel name\t: another\nflags\t\t: avx\n");
  const auto cpu = parse_cpuinfo(text);
  EXPECT_EQ(cpu.model, "Some CPU @ 2.00GHz");
  EXPECT_EQ(cpu.features, "sse4_2 fma avx avx2");
}

TEST(ParseCpuinfo, ReadsTheArmFlavour) {
  std::istringstream text(
      "processor\t: 0\nBogoMIPS\t: 50.00\nFeatures\t: fp asimd sve bf16\nCPU implementer\t: 0x41\nCPU part\t: 0xd40\n");
  const auto cpu = parse_cpuinfo(text);
  EXPECT_EQ(cpu.model, "Arm implementer 0x41 part 0xd40");
  EXPECT_EQ(cpu.features, "asimd sve bf16");
}

TEST(ParseCpuinfo, FindsNothingInAnEmptyFile) {
  std::istringstream text;
  EXPECT_TRUE(parse_cpuinfo(text).model.empty());
}

TEST(FormatCpuList, JoinsNeighbours) {
  EXPECT_EQ(format_cpu_list({}), "");
  EXPECT_EQ(format_cpu_list(std::array{5}), "5");
  EXPECT_EQ(format_cpu_list(std::array{0, 1, 2, 8, 10, 11}), "0-2,8,10-11");
}

}  // namespace
}  // namespace ringworld
