#pragma once
/// @file  AdamW on flat ranges of parameters, and the sum of squares that clipping needs.
/// Source: Loshchilov, Hutter, "Decoupled Weight Decay Regularization", arXiv:1711.05101, algorithm 2; as in optax and
/// PyTorch the decay is multiplied by the learning rate, and epsilon is added to the bias-corrected root.
///
///   g = gradient_scale * gradient
///   m = beta1 m + (1 - beta1) g          v = beta2 v + (1 - beta2) g^2
///   p = p - learning_rate * (m / (1 - beta1^step) / (sqrt(v / (1 - beta2^step)) + epsilon) + weight_decay * p)

#include <cstdint>
#include <memory>
#include <span>

#include "core/bf16.hpp"
#include "device/backend.hpp"
#include "kernels/contract/kernel.hpp"
#include "kernels/contract/kernel_options.hpp"
#include "kernels/elementwise/adamw_factors.hpp"

namespace ringworld {

struct AdamWOptions {
  double learning_rate = 0;
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;
  double gradient_scale = 1;  ///< min(1, clip / norm) for clipping by global norm
  std::int64_t step = 1;      ///< of this update, counted from 1
};

/// The factors of a step, worked out in double.
[[nodiscard]] row::AdamWFactors factors_of(const AdamWOptions& options);

/// Any contiguous part of the parameters; all spans have one length.
struct AdamWRange {
  std::span<float> parameter;       ///< fp32 master weights, updated
  std::span<const float> gradient;  ///< fp32
  std::span<float> first_moment;    ///< m, updated; 0 before step 1
  std::span<float> second_moment;   ///< v, updated; 0 before step 1
  std::span<bf16> bfloat16_copy;    ///< receives the new parameter, rounded; empty: not wanted
};

class Optimizer : public Kernel {
 public:
  /// Element by element: the result does not depend on how the parameters are cut into ranges, bit for bit on one
  /// instruction set.
  /// @throws Error when lengths contradict each other, Error(bad_input) when an option is invalid.
  /// Cost: one pass: 28 bytes a parameter, 30 with a copy.
  void adamw(const AdamWRange& range, const AdamWOptions& options);

  /// Sum of squares in double, summed in chunks of fixed size and these in their order: the same for any number of
  /// threads. NaN and infinity come through.
  [[nodiscard]] double sum_of_squares(std::span<const float> values);

  /// The sum over ranges, each as above and these in their order: a device is waited for once, not for every range.
  [[nodiscard]] double sum_of_squares_of_ranges(std::span<const std::span<const float>> ranges);

 private:
  // The computation of a backend; operands are checked and the cost is charged before these calls.
  virtual void run_adamw(const AdamWRange& range, const AdamWOptions& options) = 0;
  [[nodiscard]] virtual double run_sum_of_squares(std::span<const std::span<const float>> ranges) = 0;
};

/// @throws Error(bad_input) when the backend was not built.
[[nodiscard]] std::unique_ptr<Optimizer> make_optimizer(Backend backend, const KernelOptions& options = {});

}  // namespace ringworld
