#pragma once
/// @file  Rotary position embedding.
/// Source: Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", arXiv:2104.09864, equation 34.
/// Shapes: B batch, T tokens per rank, H heads, D head size (even); pair i of a head turns by
/// position * theta^(-2i / D), i < D / 2.
///
///   interleaved  pair i = elements 2i, 2i + 1          (LWM, Meta's LLaMA)
///   half_split   pair i = elements i, i + D / 2        (Hugging Face Llama, with permuted weights)

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "core/tensor_view.hpp"
#include "device/backend.hpp"
#include "kernels/contract/kernel.hpp"
#include "kernels/contract/kernel_options.hpp"
#include "kernels/rope/rope_scaling.hpp"

namespace ringworld {

enum class RopePairing : std::uint8_t { interleaved, half_split };
inline constexpr std::array<std::string_view, 2> rope_pairing_names{"interleaved", "half_split"};

/// The precision of frequencies and angles. LWM's fp32 angles are off by up to 0.048 rad at theta 5e7 and position
/// 1,048,575.
enum class AnglePrecision : std::uint8_t { float32, float64 };

[[nodiscard]] constexpr std::string_view name_of(RopePairing pairing) noexcept {
  return rope_pairing_names[static_cast<std::size_t>(pairing)];
}

struct RopeOptions {
  std::int64_t head_size = 0;  ///< D
  double theta = 10000.0;
  AnglePrecision precision = AnglePrecision::float32;
  RopeScaling scaling{};
  std::int64_t context_length = 0;  ///< S, tokens of the sequence; read where the scaling is dynamic
};

/// Writes the cosines and sines of every position's angles; they are rounded to fp32 last.
/// @param positions (rows), any order, as the layout of the sequence has them     @param cosine, sine (rows, D / 2)
/// @throws Error(bad_input) for an odd head size or a theta that is not positive, Error when a shape does not fit.
/// Cost: rows * D / 2 sines and cosines in double: once a sequence layout and stage, not once a layer.
void build_rope_table(std::span<const std::int64_t> positions, const RopeOptions& options,
                      const TensorView<float, 2>& cosine, const TensorView<float, 2>& sine);

enum class RopeDirection : std::uint8_t {
  forward,
  inverse,  ///< turns back: the gradient of `forward`
};

struct RopeRotation {
  ActivationView x;  ///< (B, T, H, D), rotated in place
  /// (T, D / 2) for all of the batch, or (B * T, D / 2) where each row of the batch has positions of its own; rows
  /// dense.
  TensorView<const float, 2> cosine;
  TensorView<const float, 2> sine;  ///< as cosine
  RopePairing pairing = RopePairing::interleaved;
  RopeDirection direction = RopeDirection::forward;
};

class Rope : public Kernel {
 public:
  /// @throws Error when the table does not fit x.
  /// Cost: reads and writes x once.
  void rotate(const RopeRotation& rotation);

 private:
  // The computation of a backend; operands are checked and the cost is charged before these calls.
  virtual void run_rotate(const RopeRotation& rotation) = 0;
};

/// @throws Error(bad_input) when the backend was not built.
[[nodiscard]] std::unique_ptr<Rope> make_rope(Backend backend, const KernelOptions& options = {});

}  // namespace ringworld
