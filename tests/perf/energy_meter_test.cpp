#include "perf/energy_meter.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace ringworld::test {
namespace {

/// A folder as Linux has it at /sys/class/powercap.
class Powercap : public ::testing::Test {
 protected:
  Powercap() : folder_(std::filesystem::temp_directory_path() / ("ringworld-powercap-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
  }
  ~Powercap() override { std::filesystem::remove_all(folder_); }
  Powercap(const Powercap&) = delete;
  Powercap& operator=(const Powercap&) = delete;

  void zone(const std::string& folder, const std::string& name, long microjoules) {
    const std::filesystem::path path = folder_ / folder;
    std::filesystem::create_directories(path);
    std::ofstream(path / "name") << name << "\n";
    std::ofstream(path / "max_energy_range_uj") << 10'000'000 << "\n";
    std::ofstream(path / "energy_uj") << microjoules << "\n";
  }

  std::filesystem::path folder_;
};

TEST_F(Powercap, EnergyIsThatOfAllProcessorsAndOfNothingTwice) {
  zone("intel-rapl:0", "package-0", 1'000'000);
  zone("intel-rapl:1", "package-1", 2'000'000);
  zone("intel-rapl:0:0", "core", 500'000);
  zone("intel-rapl:2", "psys", 3'000'000);
  EnergyMeter meter(folder_);
  EXPECT_EQ(meter.joules(), 0.0);
  zone("intel-rapl:0", "package-0", 2'500'000);
  zone("intel-rapl:1", "package-1", 4'000'000);
  zone("intel-rapl:0:0", "core", 1'500'000);
  zone("intel-rapl:2", "psys", 9'000'000);
  meter.read();
  EXPECT_DOUBLE_EQ(meter.joules().value(), 3.5);
}

TEST_F(Powercap, ACounterMayBeginAgain) {
  zone("intel-rapl:0", "package-0", 9'500'000);
  EnergyMeter meter(folder_);
  zone("intel-rapl:0", "package-0", 500'000);
  meter.read();
  EXPECT_DOUBLE_EQ(meter.joules().value(), 1.0);
}

TEST_F(Powercap, AMachineThatDoesNotTellHasNoEnergy) {
  EXPECT_FALSE(EnergyMeter(folder_ / "not-there").joules().has_value());
  zone("intel-rapl:0", "package-0", 1);
  std::filesystem::remove(folder_ / "intel-rapl:0" / "energy_uj");
  EXPECT_FALSE(EnergyMeter(folder_).joules().has_value());
}

}  // namespace
}  // namespace ringworld::test
