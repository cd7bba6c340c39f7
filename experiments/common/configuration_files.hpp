#pragma once
/// @file  What a verb says of a configuration that another verb hands to it. Each function is defined by its verb.

#include <cstdint>
#include <string>
#include <vector>

#include "sequence/schedule.hpp"

namespace ringworld {

/// The files that the configuration is made of, and what it names as inputs: files, or names that the program knows.
/// @throws Error(bad_input) naming a file that cannot be read, or a key of it that is wrong.
[[nodiscard]] std::vector<std::string> files_of_train(const std::string& configuration);
[[nodiscard]] std::vector<std::string> files_of_needle(const std::string& configuration);

/// Checks a run of the configuration by a schedule that takes the place of its own.
/// @throws Error(bad_input) when it cannot be run on so many ranks, whatever the reason
void check_attention(const std::string& configuration, const Schedule& schedule, std::int64_t ranks);
void check_train(const std::string& configuration, const Schedule& schedule, std::int64_t ranks,
                 const std::string& mesh = {});

}  // namespace ringworld
