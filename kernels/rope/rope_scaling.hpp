#pragma once
/// @file  Scaling of RoPE's frequencies, by which a model reads further than it was trained. Frequencies turn
/// position * f_i; w_i = 2 pi / f_i is the wavelength, s the factor, N the original context.
///
///   linear   f_i / s
///   llama3   f_i where w_i < N / high; f_i / s where w_i > N / low; between them a mixture, linear in N / w_i
///   yarn     f_i where a pair turns beta_fast times in N or more; f_i / s where it turns beta_slow times or fewer;
///            between them a mixture, linear in i. Cosines and sines grow by the attention factor.
///   dynamic  those of a larger theta, theta (s S / N - s + 1)^(D / (D - 2)), in sequences of S > N tokens. One theta
///            serves all of a sequence, so that S counts the tokens still to come; transformers changes it while it
///            decodes, and leaves the keys before turned as they were.
///   per_pair f_i / c_i, with a number a pair: what a GGUF file makes of llama3
///
/// Source: linear: Chen et al., arXiv:2306.15595; yarn: Peng et al., "YaRN", arXiv:2309.00071, section 3; llama3: Meta's
/// Llama 3.1; dynamic: u/emozilla, "Dynamically Scaled RoPE", 2023. As transformers has them in modeling_rope_utils.py.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace ringworld {

enum class RopeScalingKind : std::uint8_t { none, linear, llama3, yarn, dynamic, per_pair };
inline constexpr std::array<std::string_view, 6> rope_scaling_names{"none", "linear",  "llama3",
                                                                    "yarn", "dynamic", "per_pair"};

struct RopeScaling {
  RopeScalingKind kind = RopeScalingKind::none;
  double factor = 1;                   ///< s
  double original_context = 0;         ///< N, tokens; of llama3, yarn and dynamic
  double low_frequency_factor = 1;     ///< of llama3
  double high_frequency_factor = 4;    ///< of llama3
  double beta_fast = 32;               ///< of yarn
  double beta_slow = 1;                ///< of yarn
  double attention_factor = 1;         ///< of yarn: cosines and sines are multiplied by it
  std::vector<double> pair_factors{};  ///< c_i, (D / 2); of per_pair

  bool operator==(const RopeScaling&) const = default;
};

/// The factor of a yarn that gives none: 0.1 ln s + 1 (equation 22 of the source), 1 where s is at most 1.
[[nodiscard]] double yarn_attention_factor(double factor);

/// @throws Error(bad_input) naming the first value that makes no sense for heads of this size.
void validate(const RopeScaling& scaling, std::int64_t head_size);

/// The theta of sequences of `tokens` tokens: another than the model's where its scaling is dynamic.
[[nodiscard]] double theta_of_length(const RopeScaling& scaling, double theta, std::int64_t head_size,
                                     std::int64_t tokens);

/// Scales the frequencies of all pairs in place.
/// @param frequencies (D / 2), theta^(-2i / D)
void scale_frequencies(const RopeScaling& scaling, double theta, std::span<double> frequencies);

}  // namespace ringworld
