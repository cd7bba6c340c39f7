#include "tokens/bpe/byte_letters.hpp"

#include <array>

#include "core/utf8.hpp"

namespace ringworld {
namespace {

struct Alphabet {
  std::array<std::string, 256> letter_of;
  std::array<int, 512> byte_of{};  ///< -1: no letter

  Alphabet() {
    byte_of.fill(-1);
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const bool stands_for_itself =
          (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || (byte >= 0xAE && byte <= 0xFF);
      const char32_t letter = stands_for_itself ? static_cast<char32_t>(byte) : next++;
      append_utf8(letter_of[static_cast<std::size_t>(byte)], letter);
      byte_of[letter] = byte;
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet the_alphabet;
  return the_alphabet;
}

}  // namespace

std::string to_byte_letters(std::string_view text) {
  const Alphabet& letters = alphabet();
  std::string spelt;
  spelt.reserve(text.size() * 2);
  for (const char byte : text) {
    spelt += letters.letter_of[static_cast<unsigned char>(byte)];
  }
  return spelt;
}

std::string from_byte_letters(std::string_view letters) {
  std::string bytes;
  for (std::string_view rest = letters; !rest.empty();) {
    const auto character = first_character(rest);
    if (!character.has_value() || character->code >= alphabet().byte_of.size() ||
        alphabet().byte_of[character->code] < 0) {
      return std::string(letters);
    }
    bytes += static_cast<char>(alphabet().byte_of[character->code]);
    rest.remove_prefix(character->bytes);
  }
  return bytes;
}

}  // namespace ringworld
