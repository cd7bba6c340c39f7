#include "core/utf8.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace ringworld {
namespace {

struct CodeRange {
  char32_t first;
  char32_t last;
};

bool is_in(char32_t code, std::span<const CodeRange> ranges) {
  return std::ranges::any_of(ranges, [&](const CodeRange& range) { return code >= range.first && code <= range.last; });
}

/// Signs, symbols and spaces beyond ASCII, by their blocks; the letters among them (ª µ º) are left out.
constexpr std::array<CodeRange, 22> signs{{
    {0x80, 0xa9},     {0xab, 0xb4},     {0xb6, 0xb9},       {0xbb, 0xbf},        {0xd7, 0xd7},     {0xf7, 0xf7},
    {0x2000, 0x200b}, {0x200e, 0x206f}, {0x2070, 0x20cf},   {0x2100, 0x2bff},    {0x2e00, 0x2e7f}, {0x3000, 0x3004},
    {0x3008, 0x3030}, {0xd800, 0xf8ff}, {0xfd3e, 0xfd3f},   {0xfe10, 0xfe1f},    {0xfe30, 0xfe6f}, {0xfeff, 0xfeff},
    {0xff00, 0xff20}, {0xffe0, 0xffff}, {0x1d000, 0x1faff}, {0xe0000, 0x10ffff},
}};

/// Ideographs, hiragana and katakana.
constexpr std::array<CodeRange, 5> alone{{
    {0x3005, 0x3007},
    {0x3031, 0x30ff},
    {0x3400, 0x9fff},
    {0xf900, 0xfaff},
    {0x20000, 0x3ffff},
}};

/// Capitals whose small letter lies `distance` further on.
struct CapitalRange {
  CodeRange codes;
  char32_t distance;
};
constexpr std::array<CapitalRange, 9> capitals{{
    {{0xc0, 0xd6}, 32},
    {{0xd8, 0xde}, 32},
    {{0x386, 0x386}, 38},
    {{0x388, 0x38a}, 37},
    {{0x391, 0x3a1}, 32},
    {{0x3a3, 0x3ab}, 32},
    {{0x400, 0x40f}, 80},
    {{0x410, 0x42f}, 32},
    {{0x531, 0x556}, 48},
}};

/// Blocks in which capitals have even numbers, or odd ones, and their small letters follow at once.
constexpr std::array<CodeRange, 7> even_capitals{
    {{0x100, 0x12f}, {0x132, 0x137}, {0x14a, 0x177}, {0x1de, 0x1ef}, {0x460, 0x481}, {0x48a, 0x4bf}, {0x4d0, 0x52f}}};
constexpr std::array<CodeRange, 4> odd_capitals{{{0x139, 0x148}, {0x179, 0x17e}, {0x1cd, 0x1dc}, {0x4c1, 0x4ce}}};
constexpr CodeRange extended_additional{0x1e00, 0x1eff};  // even capitals, but for a few signs and letters
constexpr CodeRange without_capitals{0x1e96, 0x1e9f};

}  // namespace

std::optional<Character> first_character(std::string_view text) {
  if (text.empty()) {
    return std::nullopt;
  }
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned lead = byte(0);
  if (lead < 0x80U) {
    return Character{.code = lead, .bytes = 1};
  }
  const std::size_t bytes = lead >= 0xf0U ? 4 : lead >= 0xe0U ? 3 : 2;
  if (lead < 0xc2U || lead > 0xf4U || text.size() < bytes) {
    return std::nullopt;
  }
  char32_t code = lead & (0x7fU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xc0U) != 0x80U) {
      return std::nullopt;
    }
    code = code << 6U | (byte(i) & 0x3fU);
  }
  constexpr std::array<char32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
  const bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
  if (code < smallest[bytes] || code > 0x10ffff || is_surrogate) {
    return std::nullopt;
  }
  return Character{.code = code, .bytes = bytes};
}

std::optional<std::size_t> find_malformed(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto character = first_character(text.substr(at));
    if (!character) {
      return at;
    }
    at += character->bytes;
  }
  return std::nullopt;
}

void append_utf8(std::string& text, char32_t code) {
  const auto put = [&](char32_t bits) { text += static_cast<char>(static_cast<unsigned char>(bits)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xc0U | code >> 6U);
    put(0x80U | (code & 0x3fU));
  } else if (code < 0x10000) {
    put(0xe0U | code >> 12U);
    put(0x80U | (code >> 6U & 0x3fU));
    put(0x80U | (code & 0x3fU));
  } else {
    put(0xf0U | code >> 18U);
    put(0x80U | (code >> 12U & 0x3fU));
    put(0x80U | (code >> 6U & 0x3fU));
    put(0x80U | (code & 0x3fU));
  }
}

bool is_letter(char32_t code) {
  if (code < 0x80) {
    return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z');
  }
  return !is_in(code, signs) && !is_word_alone(code);
}

bool is_word_alone(char32_t code) { return is_in(code, alone); }

char32_t to_small(char32_t code) {
  if (code < 0x80) {
    return code >= 'A' && code <= 'Z' ? code + 32 : code;
  }
  for (const CapitalRange& range : capitals) {
    if (is_in(code, {&range.codes, 1})) {
      return code + range.distance;
    }
  }
  const bool is_even = code % 2 == 0;
  const bool is_additional = is_in(code, {&extended_additional, 1}) && !is_in(code, {&without_capitals, 1});
  if (is_even ? is_in(code, even_capitals) || is_additional : is_in(code, odd_capitals)) {
    return code + 1;
  }
  return code == 0x178 ? 0xff : code == 0x1e9e ? 0xdf : code;  // Ÿ and the capital ß
}

}  // namespace ringworld
