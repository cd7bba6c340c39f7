#include "vqgan/architecture.hpp"

#include <fmt/format.h>

#include <functional>
#include <numeric>

namespace ringworld {
namespace {

constexpr std::int64_t frame_channels = 3;
constexpr std::int64_t alignment = 16;  // numbers in 64 bytes

constexpr ConvolutionShape same_size{.kernel = 3, .stride = 1, .pad_begin = 1, .pad_end = 1};
constexpr ConvolutionShape half_size{.kernel = 3, .stride = 2, .pad_begin = 0, .pad_end = 1};
constexpr ConvolutionShape one_pixel{.kernel = 1, .stride = 1, .pad_begin = 0, .pad_end = 0};

/// A name in diffusers' files and in open-MUSE's.
struct Name {
  std::string diffusers;
  std::string muse;

  [[nodiscard]] Name operator/(const Name& part) const {
    return {diffusers + "." + part.diffusers, muse + "." + part.muse};
  }
  [[nodiscard]] Name operator/(const std::string& part) const { return *this / Name{part, part}; }
};

Name same(const std::string& name) { return {name, name}; }

/// Adds operations one after another; each method returns its result's value.
class Builder {
 public:
  explicit Builder(const VqganConfig& config) { result_.config = config; }

  std::size_t add_value(std::int64_t side, std::int64_t channels) {
    result_.values.push_back({.side = side, .channels = channels});
    return result_.values.size() - 1;
  }

  /// The weights of a convolution or norm; the bias stands after them.
  std::size_t add_tensors(const Name& name, std::vector<std::int64_t> shape, FirstValues first_values) {
    const std::int64_t outputs = shape.front();
    const std::size_t weight = add_tensor(name / "weight", std::move(shape), first_values);
    add_tensor(name / "bias", {outputs}, FirstValues::zeros);
    return weight;
  }

  std::size_t add_tensor(const Name& name, std::vector<std::int64_t> shape, FirstValues first_values) {
    VqganTensor tensor{.name = name.diffusers,
                       .muse_name = name.muse,
                       .shape = std::move(shape),
                       .first_values = first_values,
                       .offset = result_.numbers};
    result_.numbers += (tensor.size() + alignment - 1) / alignment * alignment;
    result_.tensors.push_back(std::move(tensor));
    return result_.tensors.size() - 1;
  }

  std::size_t add_convolution_tensors(const Name& name, std::int64_t in, std::int64_t out,
                                      const ConvolutionShape& shape) {
    return add_tensors(name, {out, in, shape.kernel, shape.kernel}, FirstValues::normal);
  }

  std::size_t add_norm_tensors(const Name& name, std::int64_t channels) {
    return add_tensors(name, {channels}, FirstValues::ones);
  }

  /// @param output  null: a new value
  std::size_t convolve(std::size_t weight, std::size_t input, const ConvolutionShape& shape,
                       std::optional<std::size_t> residual = {}, std::optional<std::size_t> output = {}) {
    const std::size_t result =
        output.has_value() ? *output : add_value(side(input) / shape.stride, result_.tensors[weight].shape.front());
    result_.operations.push_back({.kind = VqganOperationKind::convolution,
                                  .input = input,
                                  .output = result,
                                  .residual = residual,
                                  .weight = weight,
                                  .bias = weight + 1,
                                  .shape = shape});
    return result;
  }

  /// A convolution with weights of its own.
  std::size_t convolve(const Name& name, std::size_t input, std::int64_t channels, const ConvolutionShape& shape) {
    return convolve(add_convolution_tensors(name, channels_of(input), channels, shape), input, shape);
  }

  std::size_t normalise(std::size_t scale, std::size_t input) {
    const std::size_t result = add_value(side(input), channels_of(input));
    result_.operations.push_back({.kind = VqganOperationKind::norm,
                                  .input = input,
                                  .output = result,
                                  .residual = {},
                                  .weight = scale,
                                  .bias = scale + 1,
                                  .shape = {}});
    return result;
  }

  std::size_t upsample(std::size_t input) {
    const std::size_t result = add_value(2 * side(input), channels_of(input));
    result_.operations.push_back({.kind = VqganOperationKind::upsampling,
                                  .input = input,
                                  .output = result,
                                  .residual = {},
                                  .weight = 0,
                                  .bias = 0,
                                  .shape = {}});
    return result;
  }

  void quantize(std::size_t codebook, std::size_t z, std::size_t quantized) {
    result_.quantization = result_.operations.size();
    result_.operations.push_back({.kind = VqganOperationKind::quantization,
                                  .input = z,
                                  .output = quantized,
                                  .residual = {},
                                  .weight = codebook,
                                  .bias = 0,
                                  .shape = {}});
  }

  std::size_t residual_block(const Name& name, std::size_t input, std::int64_t channels) {
    const std::int64_t before = channels_of(input);
    const std::size_t norm1 = add_norm_tensors(name / "norm1", before);
    const std::size_t conv1 = add_convolution_tensors(name / "conv1", before, channels, same_size);
    const std::size_t norm2 = add_norm_tensors(name / "norm2", channels);
    const std::size_t conv2 = add_convolution_tensors(name / "conv2", channels, channels, same_size);
    std::size_t inner = convolve(conv1, normalise(norm1, input), same_size);
    inner = normalise(norm2, inner);
    const std::size_t sum =
        before == channels ? input : convolve(name / Name{"conv_shortcut", "nin_shortcut"}, input, channels, one_pixel);
    return convolve(conv2, inner, same_size, sum);
  }

  std::size_t middle_blocks(const Name& half, std::size_t value) {
    const std::int64_t channels = channels_of(value);
    for (std::int64_t block = 0; block < result_.config.middle_blocks; ++block) {
      value = residual_block(
          half / Name{fmt::format("mid_block.resnets.{}", block), fmt::format("mid.block_{}", block + 1)}, value,
          channels);
    }
    return value;
  }

  /// The norm and the convolution at the end of the encoder or decoder.
  std::size_t end_half(const Name& half, std::size_t value, std::int64_t channels) {
    value = normalise(add_norm_tensors(half / Name{"conv_norm_out", "norm_out"}, channels_of(value)), value);
    return convolve(half / "conv_out", value, channels, same_size);
  }

  std::size_t encoder(std::size_t frames) {
    const VqganConfig& config = result_.config;
    const Name half = same("encoder");
    std::size_t value = convolve(half / "conv_in", frames, config.hidden_size, same_size);
    for (std::int64_t level = 0; level < config.levels(); ++level) {
      const Name name = half / Name{fmt::format("down_blocks.{}", level), fmt::format("down.{}", level)};
      for (std::int64_t block = 0; block < config.blocks; ++block) {
        value = residual_block(name / Name{fmt::format("resnets.{}", block), fmt::format("block.{}", block)}, value,
                               config.channels(level));
      }
      if (level + 1 < config.levels()) {
        value = convolve(name / Name{"downsamplers.0.conv", "downsample.conv"}, value, channels_of(value), half_size);
      }
    }
    return end_half(half, middle_blocks(half, value), config.latent_channels);
  }

  std::size_t decoder(std::size_t latent) {
    const VqganConfig& config = result_.config;
    const Name half = same("decoder");
    const std::int64_t deepest = config.levels() - 1;
    std::size_t value = middle_blocks(half, convolve(half / "conv_in", latent, config.channels(deepest), same_size));
    for (std::int64_t level = deepest; level >= 0; --level) {
      const Name name = half / Name{fmt::format("up_blocks.{}", deepest - level), fmt::format("up.{}", level)};
      for (std::int64_t block = 0; block <= config.blocks; ++block) {
        value = residual_block(name / Name{fmt::format("resnets.{}", block), fmt::format("block.{}", block)}, value,
                               config.channels(level));
      }
      if (level > 0) {
        value =
            convolve(name / Name{"upsamplers.0.conv", "upsample.conv"}, upsample(value), channels_of(value), same_size);
      }
    }
    return end_half(half, value, frame_channels);
  }

  std::vector<VqganOperation>& operations() { return result_.operations; }
  VqganArchitecture take() { return std::move(result_); }

 private:
  [[nodiscard]] std::int64_t side(std::size_t value) const { return result_.values[value].side; }
  [[nodiscard]] std::int64_t channels_of(std::size_t value) const { return result_.values[value].channels; }

  VqganArchitecture result_;
};

/// Backward goes from the last operation to the first: the first reader of a value that it meets writes the gradient of
/// the value, the others add to it.
void mark_sums_of_gradients(VqganArchitecture& architecture) {
  std::vector<bool> has_begun(architecture.values.size(), false);
  for (std::size_t index = architecture.operations.size(); index-- > 0;) {
    VqganOperation& operation = architecture.operations[index];
    if (operation.residual.has_value()) {
      has_begun[*operation.residual] = true;
    }
    operation.adds_to_gradient = has_begun[operation.input];
    has_begun[operation.input] = true;
  }
}

/// Multiply-adds of a frame.
double products(const VqganArchitecture& architecture, const VqganOperation& operation) {
  const std::vector<std::int64_t>& shape = architecture.tensors[operation.weight].shape;
  const std::int64_t side = architecture.values[operation.output].side;
  switch (operation.kind) {
    case VqganOperationKind::convolution:
    case VqganOperationKind::quantization:
      return static_cast<double>(side * side) *
             std::accumulate(shape.begin(), shape.end(), 1.0, std::multiplies<double>());
    case VqganOperationKind::norm:
    case VqganOperationKind::upsampling:
      break;
  }
  return 0;
}

}  // namespace

std::int64_t VqganTensor::size() const {
  return std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
}

VqganArchitecture describe_vqgan(const VqganConfig& config) {
  validate(config);
  Builder builder(config);
  const std::size_t frames = builder.add_value(config.frame_side, frame_channels);
  const std::size_t latent = builder.encoder(frames);
  const std::int64_t side = config.codes_per_side();
  const std::size_t z = builder.add_value(side, config.latent_channels);
  const std::size_t quantized = builder.add_value(side, config.latent_channels);
  const std::size_t decoded = builder.add_value(side, config.latent_channels);
  // The parameters between the halves stand after those of the halves, the operations before the decoder's.
  std::vector<VqganOperation> encoder;
  encoder.swap(builder.operations());
  builder.decoder(decoded);
  std::vector<VqganOperation> decoder;
  decoder.swap(builder.operations());
  builder.operations() = std::move(encoder);
  const std::size_t codebook = builder.add_tensor(same("quantize.embedding.weight"),
                                                  {config.codebook_size, config.latent_channels}, FirstValues::uniform);
  const auto pointwise = [&](const char* name, std::size_t input, std::size_t output) {
    const std::size_t weight =
        builder.add_convolution_tensors(same(name), config.latent_channels, config.latent_channels, one_pixel);
    builder.convolve(weight, input, one_pixel, {}, output);
  };
  pointwise("quant_conv", latent, z);
  builder.quantize(codebook, z, quantized);
  pointwise("post_quant_conv", quantized, decoded);
  builder.operations().insert(builder.operations().end(), decoder.begin(), decoder.end());
  VqganArchitecture architecture = builder.take();
  mark_sums_of_gradients(architecture);
  return architecture;
}

std::int64_t parameter_count(const VqganArchitecture& architecture) {
  std::int64_t count = 0;
  for (const VqganTensor& tensor : architecture.tensors) {
    count += tensor.size();
  }
  return count;
}

VqganFlop flop_of_frame(const VqganArchitecture& architecture) {
  VqganFlop flop;
  for (std::size_t index = 0; index < architecture.operations.size(); ++index) {
    const VqganOperation& operation = architecture.operations[index];
    const double forward = 2 * products(architecture, operation);
    (index <= architecture.quantization ? flop.encode : flop.decode) += forward;
    const bool is_product = operation.kind == VqganOperationKind::convolution;
    flop.training += forward * (is_product ? (operation.input == 0 ? 2 : 3) : 1);
  }
  return flop;
}

}  // namespace ringworld
