#pragma once
/// @file  A question whose answer is generated freely: right is what holds the expected texts, whatever else it says.

#include <string>
#include <vector>

#include "tokens/tokenizer.hpp"

namespace ringworld {

struct OpenTrial {
  std::vector<Token> prompt;
  std::vector<std::string> answers;  ///< texts that the answer should hold, at least one
};

}  // namespace ringworld
