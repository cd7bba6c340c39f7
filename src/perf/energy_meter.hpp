#pragma once
/// @file  Energy that the processors of this node took, as Linux counts it (powercap, RAPL).
/// Source: Linux kernel, Documentation/power/powercap/powercap.rst: zones `intel-rapl:N`, also on AMD; energy_uj counts
/// microjoules and begins again at 0 after max_energy_range_uj.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace ringworld {

class EnergyMeter {
 public:
  /// Looks for the zones of whole processors ("package-0"); their parts, and the platform that holds them, would count
  /// twice. Begins at 0 J.
  explicit EnergyMeter(const std::filesystem::path& zones = "/sys/class/powercap");

  /// Adds what was taken since the last call. Call it at least once a minute: a counter that has begun again twice
  /// cannot be told from one that has once.
  void read();

  /// J up to the last call of `read`; nothing where the machine does not tell, or does not let this user see it.
  [[nodiscard]] std::optional<double> joules() const;

 private:
  struct Zone {
    std::filesystem::path counter;
    std::int64_t range = 0;  // uJ
    std::int64_t last = 0;   // uJ
  };

  std::vector<Zone> zones_;
  double joules_ = 0;
};

}  // namespace ringworld
