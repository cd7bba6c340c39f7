#include "vqgan/network.hpp"

#include <numeric>
#include <vector>

#include "core/error.hpp"

namespace ringworld {
namespace {

constexpr float norm_epsilon = 1e-6F;

}  // namespace

VqganNetwork::VqganNetwork(const VqganParameters& parameters, VqganUse use, std::int64_t frames, Backend backend,
                           int threads)
    : parameters_(parameters),
      places_(plan_places(parameters.architecture(), use)),
      frames_(frames),
      memory_(device_of(backend)),
      profile_(device(memory_)),
      convolution_(make_convolution(backend, {.threads = threads})),
      norm_(make_group_norm(backend, {.threads = threads})),
      upsampling_(make_upsampling(backend, {.threads = threads})),
      quantizer_(make_vector_quantizer(backend, {.threads = threads})),
      loss_(make_reconstruction_loss(backend, {.threads = threads})),
      tensors_(make_tensor_ops(backend, {.threads = threads})) {
  require(frames >= 1, "a network has room for a frame");
  require(memory_ == parameters.memory(), "the parameters lie where the network computes");
  const VqganValue& z = architecture().values[architecture().z()];
  vectors_ = z.side * z.side;
  arena_ = Buffer(places_.numbers * frames * static_cast<std::int64_t>(sizeof(float)), memory_, MemoryUse::activations);
  pixels_ = DualArray<float>(frames * architecture().values.front().size(), memory_);
  codes_ = DualArray<std::int32_t>(frames * vectors_, memory_);
  squared_errors_ = DualArray<float>(frames * vectors_, memory_);
  sums_ = DualArray<float>(frames * 2, memory_);
}

TensorView<float, 4> VqganNetwork::view(std::size_t value, float* data, std::int64_t frames) const {
  const VqganValue& shape = architecture().values[value];
  return {data, {frames, shape.side, shape.side, shape.channels}};
}

TensorView<float, 4> VqganNetwork::value(std::size_t index, std::int64_t frames) const {
  return view(index, at(places_.values[index]), frames);
}

TensorView<float, 4> VqganNetwork::gradient(std::size_t index, std::int64_t frames) const {
  return view(index, at(places_.gradients[index]), frames);
}

TensorView<float, 2> VqganNetwork::vectors(std::size_t value, float* data, std::int64_t frames) const {
  return {data, {frames * vectors_, architecture().values[value].channels}};
}

float* VqganNetwork::numbers(std::span<float> all, std::size_t tensor) const {
  return all.data() + architecture().tensors[tensor].offset;
}

TensorView<float, 4> VqganNetwork::weights(std::span<float> all, std::size_t tensor) const {
  const std::vector<std::int64_t>& shape = architecture().tensors[tensor].shape;
  return {numbers(all, tensor), {shape[2], shape[3], shape[1], shape[0]}};
}

TensorView<float, 2> VqganNetwork::codebook(std::span<float> all) const {
  const std::size_t tensor = architecture().codebook();
  const std::vector<std::int64_t>& shape = architecture().tensors[tensor].shape;
  return {numbers(all, tensor), {shape[0], shape[1]}};
}

std::span<float> VqganNetwork::edit_frames(std::int64_t frames) {
  require(frames <= frames_, "a pass has no more frames than the network has room for");
  return pixels_.edit(frames * architecture().values.front().size());
}

void VqganNetwork::load_frames(std::int64_t frames) {
  const std::span<const float> loaded = pixels_.upload(frames * architecture().values.front().size());
  tensors_->copy(loaded, value(0, frames).data);
}

std::span<std::int32_t> VqganNetwork::edit_codes(std::int64_t frames) {
  require(frames <= frames_, "a pass has no more frames than the network has room for");
  return codes_.edit(frames * vectors_);
}

void VqganNetwork::load_codes(std::int64_t frames) {
  const std::size_t quantized = architecture().quantized();
  quantizer_->look_up({.codes = codes_.upload(frames * vectors_).data(),
                       .codebook = codebook(parameters_.values()),
                       .quantized = vectors(quantized, at(places_.values[quantized]), frames)});
}

void VqganNetwork::encode(std::int64_t frames) {
  for (std::size_t index = 0; index < architecture().quantization; ++index) {
    run(architecture().operations[index], index, frames);
  }
}

void VqganNetwork::quantize(std::int64_t frames) {
  const auto scope = profile_.scope(Work::elementwise);
  const std::size_t z = architecture().z();
  const std::size_t quantized = architecture().quantized();
  std::int32_t* const codes = codes_.device(frames * vectors_).data();
  quantizer_->nearest({.z = vectors(z, at(places_.values[z]), frames),
                       .codebook = codebook(parameters_.values()),
                       .codes = codes,
                       .squared_error = squared_errors_.device(frames * vectors_).data()});
  quantizer_->look_up({.codes = codes,
                       .codebook = codebook(parameters_.values()),
                       .quantized = vectors(quantized, at(places_.values[quantized]), frames)});
}

void VqganNetwork::pass_by_quantizer(std::int64_t frames) {
  tensors_->copy(z(frames), at(places_.values[architecture().quantized()]));
}

void VqganNetwork::decode(std::int64_t frames) {
  for (std::size_t index = architecture().quantization + 1; index < architecture().operations.size(); ++index) {
    run(architecture().operations[index], index, frames);
  }
}

void VqganNetwork::run(const VqganOperation& operation, std::size_t index, std::int64_t frames) {
  const std::span<float> all = parameters_.values();
  const TensorView<float, 4> x = value(operation.input, frames);
  const TensorView<float, 4> y = value(operation.output, frames);
  const auto scope =
      profile_.scope(operation.kind == VqganOperationKind::convolution ? Work::product : Work::elementwise);
  switch (operation.kind) {
    case VqganOperationKind::convolution:
      convolution_->forward(
          {.shape = operation.shape,
           .x = x,
           .weight = weights(all, operation.weight),
           .bias = numbers(all, operation.bias),
           .residual = operation.residual.has_value() ? value(*operation.residual, frames).data : nullptr,
           .y = y});
      break;
    case VqganOperationKind::norm: {
      const std::int64_t groups = architecture().config.norm_groups;
      float* const means = at(places_.means[index]);
      norm_->forward({.groups = groups,
                      .epsilon = norm_epsilon,
                      .activation = Activation::silu,
                      .x = x,
                      .scale = numbers(all, operation.weight),
                      .bias = numbers(all, operation.bias),
                      .y = y,
                      .mean = {means, {frames, groups}},
                      .rstd = {means + frames * groups, {frames, groups}}});
      break;
    }
    case VqganOperationKind::upsampling:
      upsampling_->forward({.x = x, .y = y});
      break;
    case VqganOperationKind::quantization:
      require(false, "the quantiser stands between the passes");
  }
}

std::span<const std::int32_t> VqganNetwork::codes(std::int64_t frames) {
  codes_.download(frames * vectors_);
  return codes_.read(frames * vectors_);
}

std::span<const float> VqganNetwork::squared_errors(std::int64_t frames) {
  squared_errors_.download(frames * vectors_);
  return squared_errors_.read(frames * vectors_);
}

std::span<const float> VqganNetwork::z(std::int64_t frames) const {
  const std::size_t z = architecture().z();
  return {at(places_.values[z]), static_cast<std::size_t>(frames * architecture().values[z].size())};
}

std::span<const float> VqganNetwork::reconstruction(std::int64_t frames) {
  const std::int64_t count = frames * architecture().values[architecture().reconstruction()].size();
  const std::span<const float> result{value(architecture().reconstruction(), frames).data,
                                      static_cast<std::size_t>(count)};
  tensors_->copy(result, pixels_.device(count).data());
  pixels_.download(count);
  return pixels_.read(count);
}

VqganSums VqganNetwork::measure(std::int64_t frames, const VqganLossScales& scales, bool is_quantized) {
  const auto scope = profile_.scope(Work::elementwise);
  const std::size_t last = architecture().reconstruction();
  const std::int64_t size = architecture().values[last].size();
  const auto rows = [&](float* data) { return TensorView<float, 2>(data, {frames, size}); };
  loss_->forward_backward({.reconstruction = rows(value(last, frames).data),
                           .target = rows(value(0, frames).data),
                           .absolute_scale = static_cast<float>(scales.absolute),
                           .squared_scale = static_cast<float>(scales.squared),
                           .absolute_and_squared = {sums_.device(2 * frames).data(), {frames, 2}},
                           .dreconstruction = rows(gradient(last, frames).data)});
  sums_.download(2 * frames);
  VqganSums sums;
  if (is_quantized) {
    const std::span<const float> errors = squared_errors(frames);
    sums.quantization = std::accumulate(errors.begin(), errors.end(), 0.0);
  }
  const std::span<const float> of_frames = sums_.read(2 * frames);
  for (std::size_t index = 0; index < of_frames.size(); index += 2) {
    sums.absolute += of_frames[index];
    sums.squared += of_frames[index + 1];
  }
  return sums;
}

VqganSums VqganNetwork::forward_backward(std::int64_t frames, const VqganLossScales& scales, bool is_quantized) {
  encode(frames);
  if (is_quantized) {
    quantize(frames);
  } else {
    pass_by_quantizer(frames);
  }
  decode(frames);
  const VqganSums sums = measure(frames, scales, is_quantized);
  for (std::size_t index = architecture().operations.size(); index-- > 0;) {
    const VqganOperation& operation = architecture().operations[index];
    if (operation.kind != VqganOperationKind::quantization) {
      run_backward(operation, index, frames);
    } else if (is_quantized) {  // without the quantiser, z and what the decoder reads are one value
      const auto scope = profile_.scope(Work::elementwise);
      const TensorView<float, 2> gradients = vectors(operation.output, gradient(operation.output, frames).data, frames);
      quantizer_->backward({.codes = codes_.device(frames * vectors_).data(),
                            .z = vectors(operation.input, value(operation.input, frames).data, frames),
                            .codebook = codebook(parameters_.values()),
                            .dquantized = gradients,
                            .codebook_scale = static_cast<float>(2 * scales.codebook),
                            .commitment_scale = static_cast<float>(2 * scales.commitment),
                            .dz = gradients,
                            .dcodebook = codebook(parameters_.gradients())});
    }
  }
  return sums;
}

void VqganNetwork::run_backward(const VqganOperation& operation, std::size_t index, std::int64_t frames) {
  const std::span<float> all = parameters_.values();
  const std::span<float> gradients = parameters_.gradients();
  const TensorView<float, 4> x = value(operation.input, frames);
  const TensorView<float, 4> dy = gradient(operation.output, frames);
  const bool wants_dx = operation.input != 0;  // the frames have no gradient
  const TensorView<float, 4> dx = wants_dx ? gradient(operation.input, frames) : TensorView<float, 4>();
  const auto scope =
      profile_.scope(operation.kind == VqganOperationKind::convolution ? Work::product : Work::elementwise);
  switch (operation.kind) {
    case VqganOperationKind::convolution:
      convolution_->backward({.shape = operation.shape,
                              .dy = dy,
                              .x = x,
                              .weight = weights(all, operation.weight),
                              .dx = dx,
                              .adds_to_dx = operation.adds_to_gradient,
                              .dweight = weights(gradients, operation.weight),
                              .dbias = numbers(gradients, operation.bias)});
      break;
    case VqganOperationKind::norm: {
      const std::int64_t groups = architecture().config.norm_groups;
      const float* const means = at(places_.means[index]);
      norm_->backward({.groups = groups,
                       .activation = Activation::silu,
                       .dy = dy,
                       .x = x,
                       .scale = numbers(all, operation.weight),
                       .bias = numbers(all, operation.bias),
                       .mean = {means, {frames, groups}},
                       .rstd = {means + frames * groups, {frames, groups}},
                       .dx = dx,
                       .adds_to_dx = operation.adds_to_gradient,
                       .dscale = numbers(gradients, operation.weight),
                       .dbias = numbers(gradients, operation.bias)});
      break;
    }
    case VqganOperationKind::upsampling:
      upsampling_->backward({.dy = dy, .dx = dx});
      break;
    case VqganOperationKind::quantization:
      require(false, "the quantiser stands between the passes");
  }
}

}  // namespace ringworld
