#pragma once
/// @file  Counter-based random numbers: a pure function of (seed, stream, index), so that data do not depend on
/// how many ranks draw them, nor in which order.
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11 (Philox4x32-10).

// Philox needs no vector instruction; without this the library includes all intrinsics of the processor, three times the
// size of everything else here.
#define R123_USE_SSE 0
#define R123_USE_X86INTRIN_H 0
#include <Random123/philox.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>

namespace ringworld {

/// A stream of random numbers addressed by index.
class CounterRng {
 public:
  /// @param seed  the run's seed     @param stream  which quantity is drawn (q, k, weights of a layer, ...)
  CounterRng(std::uint64_t seed, std::uint64_t stream) noexcept
      : key_{{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32U)}}, stream_(stream) {}

  /// Four independent 32-bit words.
  [[nodiscard]] std::array<std::uint32_t, 4> words(std::uint64_t index) const noexcept {
    const r123::Philox4x32::ctr_type counter{
        {static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32U),
         static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32U)}};
    const auto drawn = r123::Philox4x32{}(counter, key_);
    return {drawn[0], drawn[1], drawn[2], drawn[3]};
  }

  /// Uniform in (0, 1]: never 0, so that its logarithm is finite.
  [[nodiscard]] static float to_unit(std::uint32_t word) noexcept {
    return (static_cast<float>(word >> 8U) + 1.0F) * 0x1.0p-24F;
  }

  /// Four standard normal numbers (Box-Muller).
  [[nodiscard]] std::array<float, 4> normals(std::uint64_t index) const noexcept {
    const auto drawn = words(index);
    std::array<float, 4> result{};
    for (std::size_t pair = 0; pair < 2; ++pair) {
      const float radius = std::sqrt(-2.0F * std::log(to_unit(drawn[2 * pair])));
      const float angle = 2.0F * std::numbers::pi_v<float> * to_unit(drawn[2 * pair + 1]);
      result[2 * pair] = radius * std::cos(angle);
      result[2 * pair + 1] = radius * std::sin(angle);
    }
    return result;
  }

  /// A uniform integer in [0, bound); the bias is at most bound / 2^64.
  [[nodiscard]] std::uint64_t integer(std::uint64_t index, std::uint64_t bound) const noexcept {
    const auto drawn = words(index);
    const std::uint64_t word = (static_cast<std::uint64_t>(drawn[0]) << 32U) | drawn[1];
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>(word) * bound) >> 64U);
  }

 private:
  r123::Philox4x32::key_type key_;
  std::uint64_t stream_;
};

}  // namespace ringworld
