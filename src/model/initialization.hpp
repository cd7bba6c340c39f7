#pragma once
/// @file  Initial values of parameters, each a function of (seed, tensor name, global element index): the same for any
/// mesh.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "model/parameter_layout.hpp"

namespace ringworld {

enum class Initialization : std::uint8_t {
  lwm,     ///< matrices N(0, initializer_range), norms 1, biases 0
  needle,  ///< matrices N(0, 1 / fan_in), output projections scaled by 1 / sqrt(2 L); layer 0 attends to positions
};

inline constexpr std::array<std::string_view, 2> initialization_names{"lwm", "needle"};

[[nodiscard]] constexpr std::string_view name_of(Initialization initialization) noexcept {
  return initialization_names[static_cast<std::size_t>(initialization)];
}

/// @throws Error(bad_input) naming the nearest one.
[[nodiscard]] Initialization parse_initialization(std::string_view name);

/// How parameters start.
struct InitialWeights {
  // NOLINTNEXTLINE(google-explicit-constructor): most initialisations have no more to say than their name.
  InitialWeights(Initialization of_kind, std::vector<std::int64_t> at_offsets = {})
      : kind(of_kind), offsets(std::move(at_offsets)) {}

  Initialization kind;
  /// Of `needle`: how far back head h of layer 0 looks; a head beyond the list at no place in particular. Empty: h + 1.
  std::vector<std::int64_t> offsets;
};

/// @throws Error(bad_input) for an offset below 1, more offsets than heads, or any where they are not used.
void validate(const InitialWeights& weights, const ModelConfig& config);

/// Writes the elements `begin <= i < begin + values.size()` of the flat tp-local tensor.
///
/// `needle` gives head h of layer 0 a peak of attention at its offset o through the query and key biases, on the
/// 4 highest frequencies f_i of RoPE at the configuration's theta: k_i = a, (q_i, q_i') = a (cos f_i o, -sin f_i o),
/// so that the logit at distance d is the sum of a^2 cos(f_i (d - o)) / sqrt(D), 6 at the peak.
void initialize(const ModelConfig& config, const TensorLayout& tensor, const InitialWeights& initial,
                std::uint64_t seed, std::int64_t begin, std::span<float> values);

}  // namespace ringworld
