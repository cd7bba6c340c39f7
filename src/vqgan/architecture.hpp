#pragma once
/// @file  What a VQGAN is made of: its parameters by name, and its operations in the order in which a frame goes through
/// them. Memory, work, execution and the files of weights all follow from this one description.
///
///   frames -> encoder -> quant_conv -> z -> quantiser -> post_quant_conv -> decoder -> reconstruction
///
/// Names are those of diffusers' VQModel. GroupNorm and SiLU are one operation; the sum that closes a residual block is
/// part of its last convolution:
///
///   x --+--> norm1 --> conv1 --> norm2 --> conv2 --(+)--> y
///       +------- conv_shortcut, if channels change ---+

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/convolution/convolution.hpp"
#include "vqgan/config.hpp"

namespace ringworld {

/// What a parameter is before training.
enum class FirstValues : std::uint8_t { normal, zeros, ones, uniform };

/// One tensor of parameters.
struct VqganTensor {
  std::string name;                 ///< diffusers'
  std::string muse_name;            ///< open-MUSE's
  std::vector<std::int64_t> shape;  ///< as files hold it: (out, in, k, k), (channels) or (codes, latent channels)
  FirstValues first_values = FirstValues::zeros;
  std::int64_t offset = 0;  ///< among the parameters, in numbers

  [[nodiscard]] bool is_convolution() const { return shape.size() == 4; }
  [[nodiscard]] std::int64_t size() const;
};

/// What an operation reads or writes: (frames, side, side, channels).
struct VqganValue {
  std::int64_t side = 0;
  std::int64_t channels = 0;
  /// Numbers a frame.
  [[nodiscard]] std::int64_t size() const { return side * side * channels; }
};

enum class VqganOperationKind : std::uint8_t { convolution, norm, upsampling, quantization };

/// Numbers are indices of values and tensors.
struct VqganOperation {
  VqganOperationKind kind = VqganOperationKind::convolution;
  std::size_t input = 0;
  std::size_t output = 0;
  std::optional<std::size_t> residual;  ///< that a convolution adds to its result
  std::size_t weight = 0;               ///< of a convolution; the scale of a norm; the codebook
  std::size_t bias = 0;                 ///< of a convolution or norm
  ConvolutionShape shape;               ///< of a convolution
  bool adds_to_gradient = false;        ///< backward: another reader of `input` has begun its gradient
};

struct VqganArchitecture {
  VqganConfig config;
  std::vector<VqganTensor> tensors;
  std::vector<VqganValue> values;  ///< the first one is the frames, the last one their reconstruction
  std::vector<VqganOperation> operations;
  std::size_t quantization = 0;  ///< index of the operation that turns z into codebook vectors
  std::int64_t numbers = 0;      ///< that the parameters take in memory: each tensor begins at a multiple of 64 bytes

  [[nodiscard]] std::size_t codebook() const { return operations[quantization].weight; }
  [[nodiscard]] std::size_t z() const { return operations[quantization].input; }
  [[nodiscard]] std::size_t quantized() const { return operations[quantization].output; }
  [[nodiscard]] std::size_t reconstruction() const { return values.size() - 1; }
};

/// @throws ringworld::Error (bad_input) as validate.
[[nodiscard]] VqganArchitecture describe_vqgan(const VqganConfig& config);

/// Parameters of the network, the codebook included. 146,244,675 for LWM's.
[[nodiscard]] std::int64_t parameter_count(const VqganArchitecture& architecture);

/// FLOP of one frame in convolutions and in the search for the nearest code; a multiply-add counts as two.
struct VqganFlop {
  double encode = 0;
  double decode = 0;
  double training = 0;  ///< forward and backward; the frames have no gradient
};
[[nodiscard]] VqganFlop flop_of_frame(const VqganArchitecture& architecture);

}  // namespace ringworld
