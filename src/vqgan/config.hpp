#pragma once
/// @file  The architecture of a VQGAN of LWM's kind, as numbers.
/// Source: Esser, Rombach, Ommer, "Taming Transformers for High-Resolution Image Synthesis", arXiv:2012.09841; the
/// variant without attention that aMUSEd, open-MUSE and LWM use.

#include <cstdint>
#include <string>
#include <vector>

namespace ringworld {

/// LWM's values are the defaults: 146,244,675 parameters, 256 codes a frame.
struct VqganConfig {
  std::int64_t hidden_size = 128;                           ///< channels of level 0
  std::vector<std::int64_t> multipliers = {1, 2, 2, 4, 6};  ///< channels of each level, in hidden_size; the first is 1
  std::int64_t blocks = 2;                                  ///< residual blocks a level; the decoder has one more
  std::int64_t middle_blocks = 2;                           ///< residual blocks between the levels and the codes
  std::int64_t latent_channels = 64;                        ///< size of a codebook vector
  std::int64_t codebook_size = 8192;
  std::int64_t norm_groups = 32;
  std::int64_t frame_side = 256;  ///< pixels
  double commitment = 0.25;       ///< weight of the commitment loss

  [[nodiscard]] std::int64_t levels() const { return static_cast<std::int64_t>(multipliers.size()); }
  [[nodiscard]] std::int64_t channels(std::int64_t level) const {
    return hidden_size * multipliers[static_cast<std::size_t>(level)];
  }
  /// Codes along a side of a frame: each level but the last halves the side.
  [[nodiscard]] std::int64_t codes_per_side() const { return frame_side >> (levels() - 1); }

  bool operator==(const VqganConfig&) const = default;
};

/// @throws ringworld::Error (bad_input) that names the value which is wrong.
void validate(const VqganConfig& config);

/// "hidden_size=128 multipliers=1,2,2,4,6 ...", one line: equal for equal architectures.
[[nodiscard]] std::string to_text(const VqganConfig& config);

}  // namespace ringworld
