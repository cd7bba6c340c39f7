/// Parameters, work and memory of LWM's network, against numbers worked out apart from this code.

#include "vqgan/architecture.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "core/error.hpp"
#include "vqgan/arena.hpp"
#include "vqgan/memory.hpp"
#include "vqgan/small_network.hpp"

namespace ringworld {
namespace {

const VqganTensor& tensor(const VqganArchitecture& architecture, const std::string& name) {
  const auto found = std::ranges::find(architecture.tensors, name, &VqganTensor::name);
  EXPECT_NE(found, architecture.tensors.end()) << name;
  return *found;
}

TEST(VqganArchitecture, OfLwmHasItsParameters) {
  const VqganArchitecture lwm = describe_vqgan({});
  EXPECT_EQ(parameter_count(lwm), 146'244'675);
  std::int64_t encoder = 0;
  std::int64_t decoder = 0;
  for (const VqganTensor& each : lwm.tensors) {
    encoder += each.name.starts_with("encoder.") ? each.size() : 0;
    decoder += each.name.starts_with("decoder.") ? each.size() : 0;
  }
  EXPECT_EQ(encoder, 58'693'568);
  EXPECT_EQ(decoder, 87'018'499);
  EXPECT_EQ(lwm.values[lwm.z()].side, 16);
  EXPECT_EQ(lwm.values[lwm.reconstruction()].size(), 256 * 256 * 3);
}

TEST(VqganArchitecture, NamesTensorsAsOtherProgramsDo) {
  const VqganArchitecture lwm = describe_vqgan({});
  EXPECT_EQ(lwm.tensors.front().name, "encoder.conv_in.weight");
  EXPECT_EQ(lwm.tensors.back().name, "post_quant_conv.bias");
  EXPECT_EQ(tensor(lwm, "encoder.down_blocks.3.resnets.0.conv_shortcut.weight").muse_name,
            "encoder.down.3.block.0.nin_shortcut.weight");
  EXPECT_EQ(tensor(lwm, "encoder.down_blocks.3.resnets.0.conv_shortcut.weight").shape,
            (std::vector<std::int64_t>{512, 256, 1, 1}));
  EXPECT_EQ(tensor(lwm, "encoder.down_blocks.0.downsamplers.0.conv.weight").muse_name,
            "encoder.down.0.downsample.conv.weight");
  EXPECT_EQ(tensor(lwm, "encoder.mid_block.resnets.1.norm2.weight").muse_name, "encoder.mid.block_2.norm2.weight");
  // diffusers counts the decoder's levels from the deepest, open-MUSE from the shallowest.
  EXPECT_EQ(tensor(lwm, "decoder.up_blocks.1.resnets.0.conv1.weight").muse_name, "decoder.up.3.block.0.conv1.weight");
  EXPECT_EQ(tensor(lwm, "decoder.up_blocks.1.resnets.0.conv1.weight").shape,
            (std::vector<std::int64_t>{512, 768, 3, 3}));
  EXPECT_EQ(tensor(lwm, "decoder.up_blocks.0.upsamplers.0.conv.bias").muse_name, "decoder.up.4.upsample.conv.bias");
  EXPECT_EQ(tensor(lwm, "quantize.embedding.weight").shape, (std::vector<std::int64_t>{8192, 64}));
  std::set<std::string> names;
  for (const VqganTensor& each : lwm.tensors) {
    EXPECT_TRUE(names.insert(each.name).second) << each.name;
    EXPECT_TRUE(each.muse_name == each.name || names.insert(each.muse_name).second) << each.muse_name;
  }
}

TEST(VqganArchitecture, OfTheTinyRecipeHasItsParameters) {
  const VqganArchitecture cards = describe_vqgan({.hidden_size = 16,
                                                  .multipliers = {1, 1, 2, 2},
                                                  .blocks = 1,
                                                  .middle_blocks = 1,
                                                  .latent_channels = 16,
                                                  .codebook_size = 256,
                                                  .norm_groups = 4,
                                                  .frame_side = 32});
  EXPECT_EQ(parameter_count(cards), 225'571);
}

TEST(VqganArchitecture, OfLwmHasItsWork) {
  const VqganFlop flop = flop_of_frame(describe_vqgan({}));
  EXPECT_NEAR(flop.encode, 216.27e9, 0.6e9);
  EXPECT_NEAR(flop.decode, 477e9, 0.6e9);
  EXPECT_GT(flop.training, 2.9 * (flop.encode + flop.decode));
  EXPECT_LT(flop.training, 3 * (flop.encode + flop.decode));
}

TEST(VqganConfig, RefusesWhatCannotBe) {
  const auto expect_refused = [](VqganConfig config, const std::string& word) {
    try {
      validate(config);
      ADD_FAILURE() << word;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::bad_input);
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    }
  };
  VqganConfig config;
  config.multipliers = {2, 4};
  expect_refused(config, "multipliers");
  config = {};
  config.norm_groups = 48;
  expect_refused(config, "norm_groups 48");
  config = {};
  config.frame_side = 200;
  expect_refused(config, "frame_side 200");
  config = {};
  config.codebook_size = 0;
  expect_refused(config, "codebook_size");
  config = {};
  config.commitment = -1;
  expect_refused(config, "commitment");
}

TEST(Arena, SharesMemoryOnlyBetweenBlocksOfDifferentTimes) {
  std::vector<ArenaBlock> blocks;
  for (std::int64_t index = 0; index < 60; ++index) {
    const std::int64_t begin = index * 37 % 50;
    blocks.push_back({.size = 1 + index * 29 % 90, .begin = begin, .end = begin + index % 7});
  }
  const ArenaPlan plan = plan_arena(blocks, 16);
  std::int64_t sum = 0;
  for (std::size_t a = 0; a < blocks.size(); ++a) {
    sum += (blocks[a].size + 15) / 16 * 16;
    EXPECT_EQ(plan.offsets[a] % 16, 0);
    EXPECT_LE(plan.offsets[a] + blocks[a].size, plan.size);
    for (std::size_t b = 0; b < a; ++b) {
      const bool meet_in_time = blocks[a].begin <= blocks[b].end && blocks[b].begin <= blocks[a].end;
      const bool meet_in_place =
          plan.offsets[a] < plan.offsets[b] + blocks[b].size && plan.offsets[b] < plan.offsets[a] + blocks[a].size;
      EXPECT_FALSE(meet_in_time && meet_in_place) << a << " " << b;
    }
  }
  EXPECT_LT(plan.size, sum / 3);
}

TEST(VqganPlaces, OfCodingTakeAFractionOfThoseOfTraining) {
  const VqganArchitecture lwm = describe_vqgan({});
  const std::int64_t coding = plan_places(lwm, VqganUse::coding).numbers;
  const std::int64_t training = plan_places(lwm, VqganUse::training).numbers;
  const std::int64_t largest = 256 * 256 * 256;  // after the decoder's last upsampling
  EXPECT_GE(coding, 2 * largest);
  EXPECT_LE(coding, 4 * largest);
  EXPECT_GT(training, 4 * coding);
}

}  // namespace
}  // namespace ringworld
