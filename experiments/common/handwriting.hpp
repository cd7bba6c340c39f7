#pragma once
/// @file  The world of cards, with the handwriting that the build brings.

#include <filesystem>
#include <memory>

#include "cards/cards.hpp"

namespace ringworld {

/// Where the build puts the handwritten digits: ../share/ringworld/digits.csv, seen from the program.
[[nodiscard]] std::filesystem::path digits_file();

/// @throws Error(bad_input) when the digits are missing, saying how they are brought, or as CardWorld.
[[nodiscard]] std::shared_ptr<const CardWorld> read_card_world(const CardWorldOptions& options);

}  // namespace ringworld
