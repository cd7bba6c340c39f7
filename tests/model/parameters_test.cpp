#include "model/parameters.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

ModelConfig small_config(bool is_tied) {
  ModelConfig config = model_preset("needle");
  config.layers = 3;
  config.heads = 12;  // divides by 1 2 3 4
  config.kv_heads = 12;
  config.vocabulary = 101;  // does not
  config.is_head_tied = is_tied;
  return config;
}

std::vector<Mesh> meshes() {
  const Communicator world = Communicator::world();
  const std::int64_t ranks = world.size();
  std::vector<Mesh> all;
  for (std::size_t axis = 0; axis < 4; ++axis) {
    MeshShape shape;
    shape.sizes[axis] = ranks;
    all.emplace_back(world, shape);
  }
  if (ranks == 4) {
    for (const auto& sizes : {std::array<std::int64_t, 4>{1, 2, 1, 2}, {2, 1, 2, 1}, {1, 1, 2, 2}}) {
      all.emplace_back(world, MeshShape{sizes});
    }
  }
  return all;
}

TEST(ShardedParameters, AGatheredUnitHoldsTheInitialValuesWhateverTheMesh) {
  for (const bool is_tied : {false, true}) {
    for (const Mesh& mesh : meshes()) {
      ShardedParameters parameters(small_config(is_tied), mesh);
      parameters.initialize(Initialization::needle, 7);
      for (std::int64_t unit = 0; unit < parameters.layout().unit_count(); ++unit) {
        const std::span<const float> whole = parameters.gather(unit);
        if (unit + 1 < parameters.layout().unit_count()) {
          parameters.start_gather(unit + 1);
        }
        for (const TensorLayout& tensor : parameters.layout().unit(unit).tensors) {
          std::vector<float> expected(static_cast<std::size_t>(tensor.local_elements()));
          initialize(parameters.config(), tensor, Initialization::needle, 7, 0, expected);
          const auto actual = whole.subspan(static_cast<std::size_t>(tensor.offset), expected.size());
          EXPECT_TRUE(std::ranges::equal(actual, expected)) << tensor.name << " " << mesh.shape().to_string();
        }
      }
    }
  }
}

TEST(ShardedParameters, PiecesOfAllRanksHoldEveryElementOnce) {
  for (const Mesh& mesh : meshes()) {
    const ShardedParameters parameters(small_config(false), mesh);
    double mine = 0;
    for (const ParameterPiece& piece : parameters.pieces()) {
      ASSERT_EQ(std::ssize(piece.parameter), piece.end - piece.begin);
      ASSERT_EQ(std::ssize(piece.gradient), piece.end - piece.begin);
      const double holders = piece.tensor->slice.is_replicated()
                                 ? static_cast<double>(mesh.shape()[MeshAxis::tp] * mesh.shape()[MeshAxis::dp])
                                 : static_cast<double>(mesh.shape()[MeshAxis::dp]);
      mine += static_cast<double>(piece.end - piece.begin) / holders;
    }
    EXPECT_NEAR(mesh.all().all_reduce(mine, Reduction::sum), static_cast<double>(parameter_count(parameters.config())),
                1e-6);
  }
}

TEST(ShardedParameters, WhatIsWrittenToPiecesIsGatheredAgain) {
  for (const Mesh& mesh : meshes()) {
    ShardedParameters parameters(small_config(true), mesh);
    static_cast<void>(parameters.gather(1));
    for (const ParameterPiece& piece : parameters.pieces()) {
      std::ranges::fill(piece.parameter, static_cast<float>(piece.unit + 1));
    }
    parameters.invalidate_gathered();
    for (const std::int64_t unit : {0, 1, 2, 3, 4, 3, 0}) {
      const auto whole =
          parameters.gather(unit).first(static_cast<std::size_t>(parameters.layout().unit(unit).elements));
      EXPECT_TRUE(std::ranges::all_of(whole, [&](float value) { return value == static_cast<float>(unit + 1); }));
    }
  }
}

/// Rank r contributes (r + 1) * (unit + 1) + element % 7, in two passes; exact in fp32.
TEST(ShardedParameters, GradientsAreSummedOverTheBatchAndTheSequence) {
  for (const bool is_tied : {false, true}) {
    for (const Mesh& mesh : meshes()) {
      ShardedParameters parameters(small_config(is_tied), mesh);
      const std::int64_t last = parameters.layout().final_unit();
      const auto contribute = [&](std::int64_t unit, float factor) {
        const std::span<float> gradient = parameters.gradient(unit);
        for (std::size_t i = 0; i < gradient.size(); ++i) {
          gradient[i] += factor * static_cast<float>((mesh.all().rank() + 1) * (unit + 1) + static_cast<int>(i % 7));
        }
      };
      for (int pass = 0; pass < 2; ++pass) {
        if (is_tied) {
          contribute(0, 1.0F);  // the head's share comes first and the look-up's last
        }
        for (std::int64_t unit = last; unit >= 0; --unit) {
          contribute(unit, 1.0F);
          parameters.start_reduce_scatter(unit);
          parameters.progress();
        }
      }
      parameters.finish_gradients();

      std::int64_t ranks = 0;
      std::int64_t rank_sum = 0;  // of r + 1 over the ranks of this tp coordinate
      const Communicator summed = mesh.across({MeshAxis::dp, MeshAxis::fsdp, MeshAxis::sp});
      for (const int rank : summed.all_gather(mesh.all().rank())) {
        rank_sum += rank + 1;
        ++ranks;
      }
      for (const ParameterPiece& piece : parameters.pieces()) {
        const std::int64_t times = is_tied && piece.unit == 0 ? 4 : 2;
        for (std::int64_t i = piece.begin; i < piece.end; ++i) {
          const std::int64_t element = piece.tensor->offset + i;
          // On a group of one rank the shard is the unit; otherwise both count from the unit's first element.
          const auto expected = static_cast<float>(times * (rank_sum * (piece.unit + 1) + ranks * (element % 7)));
          ASSERT_EQ(piece.gradient[static_cast<std::size_t>(i - piece.begin)], expected)
              << piece.tensor->name << " " << i << " mesh " << mesh.shape().to_string();
        }
      }
      parameters.clear_gradients();
      EXPECT_TRUE(std::ranges::all_of(parameters.gradient_shard(), [](float value) { return value == 0; }));
    }
  }
}

TEST(ShardedParameters, AloneARankComputesOnItsShards) {
  if (Communicator::world().size() > 1) {
    GTEST_SKIP() << "one rank only";
  }
  ShardedParameters parameters(small_config(false), Mesh(Communicator::world(), {}));
  EXPECT_EQ(parameters.gather(0).data(), parameters.shard().data());
  EXPECT_EQ(parameters.gradient(0).data(), parameters.gradient_shard().data());
}

}  // namespace
}  // namespace ringworld::test
