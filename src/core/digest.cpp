#include "core/digest.hpp"

#include <bit>
#include <cstring>

namespace ringworld {
namespace {

constexpr std::size_t word_bytes = sizeof(std::uint64_t);

/// Spreads 64 bits over 64 bits.
/// Source: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014 (SplitMix64's finaliser).
std::uint64_t mixed(std::uint64_t bits) {
  bits = (bits ^ (bits >> 30U)) * 0xbf58476d1ce4e5b9U;
  bits = (bits ^ (bits >> 27U)) * 0x94d049bb133111ebU;
  return bits ^ (bits >> 31U);
}

std::uint64_t little_endian_word(const std::byte* bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, word_bytes);
  return std::endian::native == std::endian::little ? word : __builtin_bswap64(word);
}

}  // namespace

void Digest::take(std::uint64_t word) { state_ = mixed(state_ + 0x9e3779b97f4a7c15U + mixed(word)); }

void Digest::add(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::size_t filled = count_ % word_bytes;
    if (filled == 0 && bytes.size() >= word_bytes) {
      take(little_endian_word(bytes.data()));
      bytes = bytes.subspan(word_bytes);
      count_ += word_bytes;
      continue;
    }
    word_ |= std::to_integer<std::uint64_t>(bytes.front()) << (8 * filled);
    bytes = bytes.subspan(1);
    if (++count_ % word_bytes == 0) {
      take(word_);
      word_ = 0;
    }
  }
}

void Digest::add(std::int64_t number) {
  for (std::size_t byte = 0; byte < word_bytes; ++byte) {
    const auto one = static_cast<std::byte>(static_cast<std::uint64_t>(number) >> (8 * byte));
    add(std::span(&one, 1));
  }
}

std::uint64_t Digest::value() const { return mixed(mixed(state_ + mixed(word_)) + count_); }

std::uint64_t digest_of(std::string_view text) {
  Digest digest;
  digest.add(text);
  return digest.value();
}

}  // namespace ringworld
