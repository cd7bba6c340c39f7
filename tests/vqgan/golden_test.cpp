/// The network against diffusers' VQModel in float64, on the weights that diffusers saved; the same weights by way of our
/// own checkpoint. tests/golden/make_vqgan_golden.py makes the files.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "device/host_access.hpp"
#include "io/temporary_directory.hpp"
#include "kernels/backends/makers.hpp"
#include "tensors/tensor_source.hpp"
#include "vqgan/checkpoint.hpp"
#include "vqgan/network.hpp"
#include "vqgan/vqgan.hpp"
#include "vqgan/weights.hpp"

namespace ringworld {
namespace {

const std::filesystem::path golden = RINGWORLD_GOLDEN_VQGAN;

// float32 against float64: sums of some hundred terms through sixty layers.
constexpr double tolerance = 1e-5;
constexpr double gradient_tolerance = 1e-4;

std::vector<float> read_values(const TensorSource& source, const std::string& name) {
  const std::vector<std::int64_t> shape = source.describe(name).shape;
  std::int64_t size = 1;
  for (const std::int64_t extent : shape) {
    size *= extent;
  }
  std::vector<float> values(static_cast<std::size_t>(size));
  source.read(name, {.shape = shape, .begin = 0, .end = size}, values);
  return values;
}

/// Largest error over the largest expected value.
double relative_error(std::span<const float> found, std::span<const float> expected) {
  EXPECT_EQ(found.size(), expected.size());
  double error = 0;
  double largest = 0;
  for (std::size_t place = 0; place < std::min(found.size(), expected.size()); ++place) {
    error = std::max(error, std::abs(static_cast<double>(found[place]) - expected[place]));
    largest = std::max(largest, std::abs(static_cast<double>(expected[place])));
  }
  return error / largest;
}

/// What diffusers computed.
struct Expected {
  Expected() {
    const auto source = open_tensor_source(Communicator::world(), golden / "expected.h5");
    const std::vector<std::int64_t> shape = source->describe("frames").shape;
    count = shape[0];
    side = shape[1];
    frames = read_values(*source, "frames");
    z = read_values(*source, "z");
    codes = read_values(*source, "codes");
    reconstruction = read_values(*source, "reconstruction");
    losses = read_values(*source, "losses");
  }

  std::int64_t count = 0;
  std::int64_t side = 0;
  std::vector<float> frames;
  std::vector<float> z;
  std::vector<float> codes;
  std::vector<float> reconstruction;
  std::vector<float> losses;
};

/// The configuration that diffusers wrote, for frames of another side: its files do not say one.
VqganConfig read_golden_config(const TensorSource& source, std::int64_t side) {
  VqganConfig config = read_vqgan_config(source);
  EXPECT_EQ(config.codes_per_side(), 16) << "as LWM's frames, where the file does not say more";
  config.frame_side = side;
  return config;
}

struct Network {
  explicit Network(Backend backend, const Expected& expected)
      : source(open_tensor_source(Communicator::world(), golden)),
        architecture(describe_vqgan(read_golden_config(*source, expected.side))),
        parameters(architecture, VqganUse::training, backend),
        network(parameters, VqganUse::training, expected.count, backend, 1),
        access(device_of(backend)) {
    read_vqgan_values(*source, parameters);
    std::ranges::copy(expected.frames, network.edit_frames(expected.count).begin());
    network.load_frames(expected.count);
  }

  std::unique_ptr<TensorSource> source;
  VqganArchitecture architecture;
  VqganParameters parameters;
  VqganNetwork network;
  HostAccess access;
};

class VqganGolden : public ::testing::TestWithParam<Backend> {};

TEST_P(VqganGolden, CodesFramesAsDiffusersDoes) {
  const Expected expected;
  Network ours(GetParam(), expected);
  ours.network.encode(expected.count);
  EXPECT_LT(relative_error(ours.access.read(ours.network.z(expected.count)), expected.z), tolerance);
  ours.network.quantize(expected.count);
  const std::span<const std::int32_t> codes = ours.network.codes(expected.count);
  EXPECT_TRUE(std::ranges::equal(codes, expected.codes, [](std::int32_t found, float wanted) {
    return found == static_cast<std::int32_t>(wanted);
  }));
}

TEST_P(VqganGolden, DecodesCodesAsDiffusersDoes) {
  const Expected expected;
  Network ours(GetParam(), expected);
  std::ranges::transform(expected.codes, ours.network.edit_codes(expected.count).begin(),
                         [](float code) { return static_cast<std::int32_t>(code); });
  ours.network.load_codes(expected.count);
  ours.network.decode(expected.count);
  EXPECT_LT(relative_error(ours.network.reconstruction(expected.count), expected.reconstruction), tolerance);
}

TEST_P(VqganGolden, HasTheLossesAndGradientsOfDiffusers) {
  const Expected expected;
  Network ours(GetParam(), expected);
  const auto numbers = static_cast<double>(expected.frames.size());
  const auto latents = static_cast<double>(expected.z.size());
  const VqganSums sums = ours.network.forward_backward(
      expected.count,
      {.absolute = 1 / numbers, .squared = 1 / numbers, .codebook = 1 / latents, .commitment = 0.25 / latents}, true);
  EXPECT_NEAR(sums.absolute / numbers, expected.losses[0], tolerance * expected.losses[0]);
  EXPECT_NEAR(sums.squared / numbers, expected.losses[1], tolerance * expected.losses[1]);
  EXPECT_NEAR(sums.quantization / latents, expected.losses[2], tolerance * expected.losses[2]);
  EXPECT_NEAR(0.25 * sums.quantization / latents, expected.losses[3], tolerance * expected.losses[3]);

  const auto source = open_tensor_source(Communicator::world(), golden / "expected.h5");
  for (const VqganTensor& tensor : ours.architecture.tensors) {
    const std::span<const float> memory = ours.access.read(VqganParameters::part(ours.parameters.gradients(), tensor));
    std::vector<float> gradient(memory.size());
    to_file_order(tensor, memory, gradient);
    EXPECT_LT(relative_error(gradient, read_values(*source, "gradients/" + tensor.name)), gradient_tolerance)
        << tensor.name;
  }
}

TEST_P(VqganGolden, IsTheSameNetworkInOurOwnCheckpoint) {
  const Expected expected;
  const Network ours(GetParam(), expected);
  const test::TemporaryDirectory folder;
  const std::filesystem::path path = folder / "network.h5";
  const VqganProgress progress{
      .is_code_used = std::vector<std::uint8_t>(static_cast<std::size_t>(ours.architecture.config.codebook_size), 1)};
  write_vqgan_checkpoint(Communicator::world(), path, ours.parameters, progress, 1, "settings");
  const auto tokenizer = read_frame_tokenizer(path, GetParam(), 1);
  EXPECT_EQ(tokenizer->digest(), ours.parameters.digest());
  EXPECT_EQ(tokenizer->frame_side(), expected.side);
  const std::vector<Token> codes = tokenizer->encode(expected.frames);
  EXPECT_TRUE(std::ranges::equal(codes, expected.codes,
                                 [](Token found, float wanted) { return found == static_cast<Token>(wanted); }));
  std::vector<float> clipped = expected.reconstruction;
  std::ranges::transform(clipped, clipped.begin(), [](float x) { return std::clamp(x, -1.0F, 1.0F); });
  EXPECT_LT(relative_error(tokenizer->decode(codes), clipped), tolerance);
}

std::vector<Backend> backends() {
  std::vector<Backend> all;
  for (const BuiltBackend& built : built_backends()) {
    if (traits_of(built.backend).computes) {
      all.push_back(built.backend);
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Built, VqganGolden, ::testing::ValuesIn(backends()),
                         [](const auto& backend) { return std::string(name_of(backend.param)); });

}  // namespace
}  // namespace ringworld
