#pragma once
/// @file  `ringworld info --links`: time and bandwidth of every kind of transfer between the ranks of a job.

#include <cstdint>
#include <string>

#include "comm/transport.hpp"
#include "device/backend.hpp"
#include "experiments/common/job.hpp"

namespace ringworld {

struct LinkSettings {
  Backend backend = Backend::host;
  Transport transport = Transport::automatic;
  std::int64_t max_bytes = std::int64_t{1} << 30;
  std::int64_t repeats = 20;
  std::string output;
  bool is_resumed = false;
  std::string configuration;  ///< TOML of the values in force
};

/// Measures, records and prints them. The ranks have taken their devices.
/// @return the program's exit code     @throws Error(bad_input) on a job of one rank. Collective over the job.
[[nodiscard]] int measure_links(const Job& job, const LinkSettings& settings);

}  // namespace ringworld
