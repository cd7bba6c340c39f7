#pragma once
/// Networks small enough for finite differences, and frames for them.

#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/random.hpp"
#include "data/frame_source.hpp"
#include "vqgan/config.hpp"

namespace ringworld::testing {

/// Two levels, a shortcut that changes channels, 4 x 4 codes of 8 x 8 pixels.
inline VqganConfig tiny_config() {
  return {.hidden_size = 4,
          .multipliers = {1, 2},
          .blocks = 1,
          .middle_blocks = 1,
          .latent_channels = 3,
          .codebook_size = 7,
          .norm_groups = 2,
          .frame_side = 8,
          .commitment = 0.25};
}

inline std::vector<float> random_frames(std::int64_t numbers, std::uint64_t seed) {
  const CounterRng rng(seed, 11);
  std::vector<float> frames;
  for (std::int64_t index = 0; index < numbers; ++index) {
    frames.push_back(2 * CounterRng::to_unit(rng.words(static_cast<std::uint64_t>(index))[0]) - 1);
  }
  return frames;
}

/// Smooth pictures of a few colours: something that can be learnt.
class StripedFrames final : public FrameSource {
 public:
  explicit StripedFrames(std::int64_t side, std::uint64_t seed = 3) : side_(side), seed_(seed) {}
  [[nodiscard]] std::int64_t frame_side() const override { return side_; }
  void draw(std::uint64_t index, std::span<float> frame) const override {
    const auto words = CounterRng(seed_, 7).words(index);
    const float angle = 6.28F * CounterRng::to_unit(words[0]);
    const float rate = 0.4F + CounterRng::to_unit(words[1]);
    for (std::int64_t place = 0; place < side_ * side_; ++place) {
      const auto x = static_cast<float>(place % side_);
      const auto y = static_cast<float>(place / side_);
      const float wave = std::sin(rate * (x * std::cos(angle) + y * std::sin(angle)));
      for (std::int64_t channel = 0; channel < 3; ++channel) {
        const bool is_on = (words[2] >> static_cast<unsigned>(channel)) % 2 == 1;
        frame[static_cast<std::size_t>(3 * place + channel)] = is_on ? wave : -0.5F;
      }
    }
  }
  [[nodiscard]] std::string digest() const override { return "stripes"; }

 private:
  std::int64_t side_;
  std::uint64_t seed_;
};

}  // namespace ringworld::testing
