#pragma once
/// @file  The files that a verb reads for a configuration. Each function is defined by its verb.

#include <string>
#include <vector>

namespace ringworld {

/// The files that the configuration is made of, and what it names as inputs: files, or names that the program knows.
/// @throws Error(bad_input) naming a file that cannot be read, or a key of it that is wrong.
[[nodiscard]] std::vector<std::string> files_of_train(const std::string& configuration);
[[nodiscard]] std::vector<std::string> files_of_needle(const std::string& configuration);

}  // namespace ringworld
