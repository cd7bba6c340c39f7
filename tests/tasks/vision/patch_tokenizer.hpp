#pragma once
/// @file  A frame tokenizer without a network: the code of a patch of 8 x 8 pixels says its colour and its ink.

#include <algorithm>
#include <array>

#include "core/error.hpp"
#include "tokens/frame_tokenizer.hpp"

namespace ringworld::test {

/// 16 codes a frame of 32 x 32 pixels, 256 codes: red, green and blue are there or not (3 bits), each quarter of the
/// patch is bright or not (4 bits), the patch is mostly bright or not (1 bit).
class PatchTokenizer final : public FrameTokenizer {
 public:
  [[nodiscard]] std::int64_t frame_side() const override { return side; }
  [[nodiscard]] std::int64_t codes_per_side() const override { return side / patch; }
  [[nodiscard]] std::int64_t codebook_size() const override { return 256; }
  [[nodiscard]] std::string digest() const override { return "patches"; }

  [[nodiscard]] std::vector<Token> encode(std::span<const float> frames) override {
    std::vector<Token> codes;
    for (std::size_t frame = 0; frame < frames.size() / static_cast<std::size_t>(frame_size()); ++frame) {
      for (std::int64_t at = 0; at < codes_per_frame(); ++at) {
        codes.push_back(code_of(frames.subspan(frame * static_cast<std::size_t>(frame_size())), at));
      }
    }
    return codes;
  }
  [[nodiscard]] std::vector<float> decode(std::span<const Token> /*codes*/) override {
    throw Error(ErrorKind::internal, "patches are not decoded");
  }

 private:
  static constexpr std::int64_t side = 32;
  static constexpr std::int64_t patch = 8;

  [[nodiscard]] Token code_of(std::span<const float> frame, std::int64_t at) const {
    std::array<float, 3> largest{-1, -1, -1};
    std::array<float, 4> quarters{};
    float whole = 0;
    for (std::int64_t y = 0; y < patch; ++y) {
      for (std::int64_t x = 0; x < patch; ++x) {
        const std::int64_t row = at / codes_per_side() * patch + y;
        const std::int64_t column = at % codes_per_side() * patch + x;
        float brightest = -1;
        for (std::int64_t channel = 0; channel < 3; ++channel) {
          const float value = frame[static_cast<std::size_t>((row * side + column) * 3 + channel)];
          auto& most = largest[static_cast<std::size_t>(channel)];
          most = std::max(most, value);
          brightest = std::max(brightest, value);
        }
        quarters[static_cast<std::size_t>(y / 4 * 2 + x / 4)] += brightest;
        whole += brightest;
      }
    }
    Token code = 0;
    for (const float value : largest) {
      code = 2 * code + (value > 0 ? 1 : 0);
    }
    for (const float value : quarters) {
      code = 2 * code + (value > 0 ? 1 : 0);
    }
    return 2 * code + (whole > 32 ? 1 : 0);
  }
};

}  // namespace ringworld::test
