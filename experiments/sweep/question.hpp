#pragma once
/// @file  What tells two runs of a verb apart: its command line, and the contents of the files that it reads.

#include <string>
#include <vector>

namespace ringworld {

/// 16 hexadecimal digits.
/// @param earlier  the question of the part that makes this one's model, or the digest of the network of simulated
///                 ranks; empty without either
/// @throws Error(bad_input) naming a file that cannot be read, or a key of it that is wrong.
[[nodiscard]] std::string question_digest(const std::string& verb, const std::string& configuration,
                                          const std::vector<std::string>& arguments, const std::string& earlier);

}  // namespace ringworld
