#include "perf/energy_meter.hpp"

#include <fstream>
#include <string>
#include <system_error>

namespace ringworld {
namespace {

template <class Value>
std::optional<Value> read_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  Value value{};
  return file >> value ? std::optional<Value>(value) : std::nullopt;
}

}  // namespace

EnergyMeter::EnergyMeter(const std::filesystem::path& zones) {
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(zones, none)) {
    const std::optional<std::string> name = read_file<std::string>(entry.path() / "name");
    if (!name.has_value() || !name->starts_with("package")) {
      continue;
    }
    const auto range = read_file<std::int64_t>(entry.path() / "max_energy_range_uj");
    const auto now = read_file<std::int64_t>(entry.path() / "energy_uj");
    if (range.has_value() && now.has_value()) {
      zones_.push_back({.counter = entry.path() / "energy_uj", .range = *range, .last = *now});
    }
  }
}

void EnergyMeter::read() {
  for (Zone& zone : zones_) {
    const std::int64_t now = read_file<std::int64_t>(zone.counter).value_or(zone.last);
    const std::int64_t taken = now - zone.last;
    joules_ += 1e-6 * static_cast<double>(taken >= 0 ? taken : taken + zone.range);
    zone.last = now;
  }
}

std::optional<double> EnergyMeter::joules() const {
  return zones_.empty() ? std::nullopt : std::optional<double>(joules_);
}

}  // namespace ringworld
