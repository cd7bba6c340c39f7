#include "generation/padded_prompts.hpp"

#include <algorithm>

#include "core/error.hpp"

namespace ringworld {

bool PaddedPrompts::has_padding() const {
  return std::ranges::any_of(padding, [](std::int64_t count) { return count > 0; });
}

PaddedPrompts pad_prompts(std::span<const std::vector<Token>> prompts) {
  require_input(!prompts.empty(), "there is no prompt");
  PaddedPrompts padded;
  for (const std::vector<Token>& prompt : prompts) {
    require_input(!prompt.empty(), "a prompt has no token");
    padded.length = std::max(padded.length, std::ssize(prompt));
  }
  for (const std::vector<Token>& prompt : prompts) {
    padded.padding.push_back(padded.length - std::ssize(prompt));
    // Any token may fill the place, since nobody sees it.
    padded.tokens.insert(padded.tokens.end(), static_cast<std::size_t>(padded.padding.back()), prompt.front());
    padded.tokens.insert(padded.tokens.end(), prompt.begin(), prompt.end());
  }
  return padded;
}

}  // namespace ringworld
