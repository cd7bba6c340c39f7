#pragma once
/// @file  Which environment variables a record keeps: those that change how the program runs, by an allow-list.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ringworld {

/// Whether a variable belongs in a record: it steers MPI, threads, devices or the job, and its name does not look like
/// a credential's.
[[nodiscard]] bool is_recorded_variable(std::string_view name);

/// The recorded variables of this process as (name, value), sorted by name.
[[nodiscard]] std::vector<std::pair<std::string, std::string>> recorded_environment();

}  // namespace ringworld
