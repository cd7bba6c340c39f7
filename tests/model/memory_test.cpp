#include "model/memory.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "device/buffer.hpp"
#include "model/model_problem.hpp"
#include "support/available_device.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

std::vector<MeshShape> meshes() {
  switch (Communicator::world().size()) {
    case 1:
      return {{{1, 1, 1, 1}}};
    case 2:
      return {{{1, 1, 1, 2}}, {{1, 2, 1, 1}}, {{2, 1, 1, 1}}, {{1, 1, 2, 1}}};
    default:
      return {{{1, 1, 1, 4}}, {{1, 2, 1, 2}}, {{2, 1, 2, 1}}, {{1, 1, 2, 2}}};
  }
}

/// Lengths that a ring does and does not divide, and one that leaves ranks of a ring of four without a token.
constexpr std::array<std::int64_t, 3> lengths{96, 61, 3};

void expect_formula_counts_every_byte(const ModelConfig& config, const ModelOptions& options) {
  for (const MeshShape& shape : meshes()) {
    const DeviceKind memory = device_of(options.backend);
    const std::int64_t before = memory_account(memory).current;
    ShardedParameters parameters(config, Mesh(Communicator::world(), shape), options.backend);
    const Model model(parameters, options);
    const std::int64_t held = memory_account(memory).current - before;
    const std::int64_t largest = Communicator::world().all_reduce(held, Reduction::max);
    EXPECT_EQ(model_memory(config, shape, options).total(), largest)
        << shape.to_string() << " " << name_of(options.dtype) << " " << name_of(options.recomputation)
        << (options.is_forward_only ? " forward only" : "");
  }
}

TEST(ModelMemory, TheFormulaCountsEveryByte) {
  for (const bool is_tied : {false, true}) {
    ModelConfig config = small_config();
    config.is_head_tied = is_tied;
    config.has_attention_bias = is_tied;
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      for (const Recomputation recomputation :
           {Recomputation::none, Recomputation::attention_saved, Recomputation::full}) {
        for (const bool is_forward_only : {false, true}) {
          for (const std::int64_t length : lengths) {
            ModelOptions options;
            options.batch = 2;
            options.context_length = length;
            options.dtype = dtype;
            options.wire_dtype = dtype;
            options.recomputation = recomputation;
            options.is_forward_only = is_forward_only;
            options.ffn_chunk = 10;
            options.loss_chunk = 70;
            options.has_segments = is_tied;
            expect_formula_counts_every_byte(config, options);
          }
        }
      }
    }
  }
}

TEST(ModelMemory, TheFormulaCountsEveryByteOfAGpu) {
  if (const std::string reason = why_unavailable(Backend::cuda); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    for (const bool has_segments : {false, true}) {
      ModelProblem problem{.config = small_config(), .has_segments = has_segments};
      problem.config.has_attention_bias = has_segments;
      for (const MeshShape& shape : meshes()) {
        ModelOptions options;
        options.dtype = dtype;
        options.wire_dtype = dtype;
        options.backend = Backend::cuda;
        options.has_segments = has_segments;
        options.batch = problem.batch / (shape[MeshAxis::dp] * shape[MeshAxis::fsdp]);
        options.context_length = problem.context_length;
        const std::int64_t before = memory_account(DeviceKind::cuda).current;
        reset_high_water(DeviceKind::cuda);
        static_cast<void>(run_model(problem, shape, options));
        const std::int64_t held = memory_account(DeviceKind::cuda).high_water - before;
        EXPECT_EQ(model_memory(problem.config, shape, options).total(),
                  Communicator::world().all_reduce(held, Reduction::max))
            << shape.to_string() << " " << name_of(dtype);
      }
    }
  }
}

TEST(ModelMemory, APassHoldsNoMoreThanThePlan) {
  ModelProblem problem{.config = small_config()};
  for (const MeshShape& shape : meshes()) {
    ModelOptions options;
    options.batch = problem.batch / (shape[MeshAxis::dp] * shape[MeshAxis::fsdp]);
    options.context_length = problem.context_length;
    const std::int64_t before = memory_account().current;
    reset_high_water();
    static_cast<void>(run_model(problem, shape, options));
    EXPECT_LE(memory_account().high_water - before, model_memory(problem.config, shape, options).total());
  }
}

TEST(ModelMemory, OfSevenBillionAtAMillionTokensIsTheSamePerRankForFixedTokensPerRank) {
  ModelOptions options{.context_length = 1048576};
  options.recomputation = Recomputation::full;
  options.dtype = DType::bfloat16;
  const ModelConfig config = model_preset("7b");
  const ModelMemory at_million = model_memory(config, {{1, 1, 16, 32}}, options);
  options.context_length /= 2;
  const ModelMemory at_half = model_memory(config, {{1, 2, 16, 16}}, options);
  EXPECT_EQ(at_million.total(), at_half.total());
  EXPECT_EQ(at_million.parameters, parameter_shard_elements(config, {{1, 1, 16, 32}}) * 4);
}

TEST(ModelMemory, RefusesWhatTheModelRefuses) {
  ModelOptions options{.context_length = 0};
  expect_error(ErrorKind::bad_input, [&] { static_cast<void>(model_memory(small_config(), {{1, 1, 1, 2}}, options)); },
               {"context_length is 0", "1 or more tokens"});
}

}  // namespace
}  // namespace ringworld::test
