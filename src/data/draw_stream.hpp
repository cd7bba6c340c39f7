#pragma once
/// @file  Random draws in order, from a stream named by numbers: the same sequence is drawn the same way by any rank.

#include <cstdint>
#include <initializer_list>
#include <vector>

#include "core/random.hpp"

namespace ringworld {

/// The use of a random stream. It is part of the stream's name, so that one use never shifts the draws of another. New
/// ones are added at the end: the number of a purpose decides its draws.
enum class DrawPurpose : std::uint64_t {
  needle_sequence = 1,
  text_targets,
  needle_trial,
  document_order,
  synthetic_text,
  perplexity_window,
  card_frame,
  card_variant,
  card_trial,
  vision_example,
  vision_fields,
  media_frame,
  sampled_token,
  codebook_seeding,
  code_restart,
  recall_trial
};

/// Draws one after another. Two streams of different names are independent.
class DrawStream {
 public:
  /// @param names  what the draws belong to: stage, sequence, ... Names of unequal number are unequal.
  DrawStream(std::uint64_t seed, DrawPurpose purpose, std::initializer_list<std::uint64_t> names)
      : rng_(fold(seed, purpose, names), static_cast<std::uint64_t>(purpose)) {}

  /// A uniform integer in [0, bound).
  [[nodiscard]] std::int64_t below(std::int64_t bound) {
    return static_cast<std::int64_t>(rng_.integer(next_++, static_cast<std::uint64_t>(bound)));
  }

  /// A uniform number in [0, 1), a multiple of 2^-53.
  [[nodiscard]] double unit() { return static_cast<double>(below(std::int64_t{1} << 53U)) * 0x1.0p-53; }

 private:
  /// Each name goes through the generator, keyed by those before it.
  static std::uint64_t fold(std::uint64_t seed, DrawPurpose purpose, std::initializer_list<std::uint64_t> names) {
    std::uint64_t key = seed;
    for (const std::uint64_t name : names) {
      const auto words = CounterRng(key, static_cast<std::uint64_t>(purpose)).words(name);
      key = (static_cast<std::uint64_t>(words[2]) << 32U) | words[3];
    }
    return key;
  }

  CounterRng rng_;
  std::uint64_t next_ = 0;
};

/// `count` distinct integers in [0, bound), in random order.
/// @pre 0 <= count <= bound
[[nodiscard]] std::vector<std::int64_t> draw_distinct(std::int64_t count, std::int64_t bound, DrawStream& draws);

}  // namespace ringworld
