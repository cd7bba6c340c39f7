#pragma once
/// @file  A number that tells contents apart: the same for the same bytes, on every machine and in every run.
/// Not a defence against somebody who makes two contents of one digest on purpose.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace ringworld {

/// Takes bytes in any portions.
class Digest {
 public:
  void add(std::span<const std::byte> bytes);
  void add(std::string_view text) { add(std::as_bytes(std::span(text))); }
  void add(std::int64_t number);

  /// Digest of all data that were added.
  [[nodiscard]] std::uint64_t value() const;

 private:
  void take(std::uint64_t word);

  std::uint64_t state_ = 0;
  std::uint64_t word_ = 0;   ///< bytes that do not fill a word yet, the first one lowest
  std::uint64_t count_ = 0;  ///< bytes so far
};

[[nodiscard]] std::uint64_t digest_of(std::string_view text);

}  // namespace ringworld
