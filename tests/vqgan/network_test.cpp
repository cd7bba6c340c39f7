/// Forward and backward passes: against finite differences, and the backends against the reference.

#include "vqgan/network.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "device/host_access.hpp"
#include "kernels/backends/makers.hpp"
#include "vqgan/small_network.hpp"

namespace ringworld {
namespace {

using testing::random_frames;
using testing::tiny_config;

constexpr std::int64_t frames = 2;

/// The mean losses of the recipe.
VqganLossScales scales_of(const VqganArchitecture& architecture) {
  const auto numbers = static_cast<double>(frames * architecture.values.front().size());
  const auto latents = static_cast<double>(frames * architecture.values[architecture.z()].size());
  return {.absolute = 1 / numbers, .squared = 1 / numbers, .codebook = 1 / latents, .commitment = 0.25 / latents};
}

double loss_of(const VqganSums& sums, const VqganLossScales& scales) {
  return scales.absolute * sums.absolute + scales.squared * sums.squared +
         (scales.codebook + scales.commitment) * sums.quantization;
}

struct Problem {
  explicit Problem(Backend backend, const VqganConfig& config = tiny_config())
      : architecture(describe_vqgan(config)),
        parameters(architecture, VqganUse::training, backend),
        network(parameters, VqganUse::training, frames, backend, 1),
        access(device_of(backend)) {
    parameters.initialize(5);
    // Biases and scales that differ from their first values, and a codebook within reach of z.
    const std::vector<float> noise = random_frames(architecture.numbers, 23);
    for (const VqganTensor& tensor : architecture.tensors) {
      if (!tensor.is_convolution()) {
        const float size = tensor.first_values == FirstValues::uniform ? 0.8F : 0.2F;
        const std::span<float> part = VqganParameters::part(parameters.values(), tensor);
        const std::span<const float> read = access.read(part);
        const std::vector<float> before(read.begin(), read.end());
        access.write(part, [&](std::span<float> values) {
          for (std::size_t place = 0; place < values.size(); ++place) {
            values[place] = before[place] + size * noise[static_cast<std::size_t>(tensor.offset) + place];
          }
        });
      }
    }
  }

  VqganSums run(const VqganLossScales& scales, bool is_quantized) {
    access.write(parameters.gradients(), [](std::span<float> values) { std::ranges::fill(values, 0.0F); });
    const std::vector<float> pixels = random_frames(frames * architecture.values.front().size(), 9);
    std::ranges::copy(pixels, network.edit_frames(frames).begin());
    network.load_frames(frames);
    return network.forward_backward(frames, scales, is_quantized);
  }

  VqganArchitecture architecture;
  VqganParameters parameters;
  VqganNetwork network;
  HostAccess access;
};

/// Derivative of the loss along a direction in one tensor. What the gradient does not see (sg) is held: it is computed
/// here from the sums that depend on the tensor.
double finite_difference(Problem& problem, const VqganLossScales& scales, bool is_quantized, std::size_t place,
                         float step) {
  double difference = 0;
  for (const float sign : {1.0F, -1.0F}) {
    float& value = problem.parameters.values()[place];
    const float before = value;
    value = before + sign * step;
    difference += sign * loss_of(problem.run(scales, is_quantized), scales);
    value = before;
  }
  return difference / (2 * static_cast<double>(step));
}

TEST(VqganNetwork, GradientsEqualFiniteDifferencesWithoutTheQuantiser) {
  Problem problem(Backend::reference);
  const VqganLossScales scales = scales_of(problem.architecture);
  static_cast<void>(problem.run(scales, false));
  const std::vector<float> gradients(problem.parameters.gradients().begin(), problem.parameters.gradients().end());
  double largest = 0;
  for (const float gradient : gradients) {
    largest = std::max(largest, static_cast<double>(std::abs(gradient)));
  }
  ASSERT_GT(largest, 1e-3);
  for (const VqganTensor& tensor : problem.architecture.tensors) {
    for (std::int64_t index = 0; index < tensor.size(); index += std::max<std::int64_t>(1, tensor.size() / 3)) {
      const auto place = static_cast<std::size_t>(tensor.offset + index);
      EXPECT_NEAR(finite_difference(problem, scales, false, place, 2e-3F), gradients[place], 4e-3 * largest)
          << tensor.name << " " << index;
    }
  }
}

// Past the quantiser nothing passes straight through, so that the gradient is that of the loss itself.
TEST(VqganNetwork, GradientsOfTheDecoderEqualFiniteDifferencesWithTheQuantiser) {
  Problem problem(Backend::reference);
  const VqganLossScales scales = scales_of(problem.architecture);
  static_cast<void>(problem.run(scales, true));
  const std::vector<float> gradients(problem.parameters.gradients().begin(), problem.parameters.gradients().end());
  for (const VqganTensor& tensor : problem.architecture.tensors) {
    if (tensor.name.starts_with("encoder") || tensor.name.starts_with("quant")) {
      continue;
    }
    const auto place = static_cast<std::size_t>(tensor.offset + tensor.size() / 2);
    EXPECT_NEAR(finite_difference(problem, scales, true, place, 2e-3F), gradients[place], 1e-3) << tensor.name;
  }
}

// The gradient that reaches z is the decoder's, and the pull of the codebook; a code is pulled by its vectors alone.
TEST(VqganNetwork, TheQuantiserPassesGradientsStraightThrough) {
  Problem problem(Backend::reference);
  VqganLossScales scales = scales_of(problem.architecture);
  const auto gradient_of = [&](const std::string& name) {
    const auto found = std::ranges::find(problem.architecture.tensors, name, &VqganTensor::name);
    const std::span<float> part = VqganParameters::part(problem.parameters.gradients(), *found);
    return std::vector<float>(part.begin(), part.end());
  };
  scales.absolute = scales.squared = 0;
  scales.commitment = 0;
  static_cast<void>(problem.run(scales, true));
  EXPECT_TRUE(std::ranges::all_of(gradient_of("quant_conv.weight"), [](float x) { return x == 0; }));
  const std::vector<float> pull = gradient_of("quantize.embedding.weight");
  const std::span<const float> z = problem.network.z(frames);
  const std::span<const std::int32_t> codes = problem.network.codes(frames);
  const std::span<const float> codebook =
      VqganParameters::part(problem.parameters.values(), problem.architecture.tensors[problem.architecture.codebook()]);
  std::vector<double> expected(codebook.size(), 0.0);
  for (std::size_t index = 0; index < codes.size(); ++index) {
    for (std::size_t axis = 0; axis < 3; ++axis) {
      const std::size_t place = static_cast<std::size_t>(codes[index]) * 3 + axis;
      expected[place] += 2 * scales.codebook * (codebook[place] - z[index * 3 + axis]);
    }
  }
  for (std::size_t place = 0; place < pull.size(); ++place) {
    EXPECT_NEAR(pull[place], expected[place], 1e-6);
  }
  scales = scales_of(problem.architecture);
  scales.codebook = 0;
  scales.commitment = 0;
  static_cast<void>(problem.run(scales, true));
  EXPECT_TRUE(std::ranges::all_of(gradient_of("quantize.embedding.weight"), [](float x) { return x == 0; }));
  EXPECT_FALSE(std::ranges::all_of(gradient_of("quant_conv.weight"), [](float x) { return x == 0; }));
  EXPECT_FALSE(std::ranges::all_of(gradient_of("encoder.conv_in.weight"), [](float x) { return x == 0; }));
}

class VqganBackends : public ::testing::TestWithParam<Backend> {};

TEST_P(VqganBackends, AgreeWithTheReference) {
  Problem expected(Backend::reference);
  Problem found(GetParam());
  const VqganLossScales scales = scales_of(expected.architecture);
  for (const bool is_quantized : {false, true}) {
    const VqganSums sums = expected.run(scales, is_quantized);
    const VqganSums other = found.run(scales, is_quantized);
    EXPECT_NEAR(other.absolute, sums.absolute, 1e-4 * sums.absolute);
    EXPECT_NEAR(other.squared, sums.squared, 1e-4 * sums.squared);
    EXPECT_NEAR(other.quantization, sums.quantization, 1e-4 * sums.quantization);
    if (is_quantized) {
      EXPECT_TRUE(std::ranges::equal(expected.network.codes(frames), found.network.codes(frames)));
    }
    const std::span<const float> gradients = found.access.read(found.parameters.gradients());
    double largest = 0;
    double error = 0;
    for (std::size_t place = 0; place < gradients.size(); ++place) {
      const double gradient = expected.parameters.gradients()[place];
      largest = std::max(largest, std::abs(gradient));
      error = std::max(error, std::abs(gradient - gradients[place]));
    }
    EXPECT_LT(error, 1e-4 * largest);
  }
}

std::vector<Backend> other_backends() {
  std::vector<Backend> backends;
  for (const BuiltBackend& built : built_backends()) {
    if (built.backend != Backend::reference && traits_of(built.backend).computes) {
      backends.push_back(built.backend);
    }
  }
  return backends;
}

INSTANTIATE_TEST_SUITE_P(Built, VqganBackends, ::testing::ValuesIn(other_backends()),
                         [](const auto& backend) { return std::string(name_of(backend.param)); });

TEST(VqganNetwork, AFrameDoesNotDependOnTheFramesBesideIt) {
  const VqganArchitecture architecture = describe_vqgan(tiny_config());
  for (const BuiltBackend& built : built_backends()) {
    if (!traits_of(built.backend).computes) {
      continue;
    }
    VqganParameters parameters(architecture, VqganUse::coding, built.backend);
    parameters.initialize(5);
    VqganNetwork network(parameters, VqganUse::coding, 3, built.backend, 1);
    const std::int64_t size = architecture.values.front().size();
    const std::vector<float> pixels = random_frames(3 * size, 9);
    const auto reconstruct = [&](std::int64_t first, std::int64_t count) {
      std::ranges::copy(
          std::span(pixels).subspan(static_cast<std::size_t>(first * size), static_cast<std::size_t>(count * size)),
          network.edit_frames(count).begin());
      network.load_frames(count);
      network.encode(count);
      network.quantize(count);
      network.decode(count);
      const std::span<const float> found = network.reconstruction(count);
      return std::vector<float>(found.begin(), found.end());
    };
    const std::vector<float> together = reconstruct(0, 3);
    const std::vector<float> alone = reconstruct(1, 1);
    EXPECT_TRUE(std::ranges::equal(alone, std::span(together).subspan(static_cast<std::size_t>(size), alone.size())))
        << name_of(built.backend);
  }
}

TEST(VqganNetwork, HoldsTheMemoryOfItsFormula) {
  const VqganArchitecture architecture = describe_vqgan(tiny_config());
  for (const VqganUse use : {VqganUse::coding, VqganUse::training}) {
    const std::int64_t before = memory_account().current;
    const VqganParameters parameters(architecture, use, Backend::reference);
    const VqganNetwork network(parameters, use, 3, Backend::reference, 1);
    EXPECT_EQ(memory_account().current - before, plan_vqgan_memory(architecture, use, 3).total());
  }
}

}  // namespace
}  // namespace ringworld
