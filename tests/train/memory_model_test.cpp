#include "train/memory_model.hpp"

#include <gtest/gtest.h>

#include "device/buffer.hpp"
#include "kernels/attention/attention.hpp"
#include "train/training_problem.hpp"

namespace ringworld {
namespace {

TEST(TrainingMemory, IsWhatARankHolds) {
  const Communicator world = Communicator::world();
  const auto ranks = static_cast<std::int64_t>(world.size());
  for (const MeshShape& shape :
       {MeshShape{{1, 1, 1, ranks}}, MeshShape{{1, 1, ranks, 1}}, MeshShape{{1, ranks, 1, 1}}}) {
    for (const Recomputation recomputation :
         {Recomputation::none, Recomputation::attention_saved, Recomputation::full}) {
      for (const DType dtype : {DType::float32, DType::bfloat16}) {
        TrainingPlan plan = test::small_plan(shape, 1);
        plan.recomputation = recomputation;
        plan.dtype = plan.wire_dtype = dtype;
        plan.stages[0].context_length = 512;
        const Mesh mesh(world, shape);
        const std::int64_t before = memory_account().current;
        ShardedParameters parameters(plan.model, mesh);
        const AdamWShards optimizer(parameters, plan.optimizer, plan.backend);
        const Model model(parameters, plan.model_options(plan.stages[0]));
        const auto held = static_cast<double>(memory_account().current - before);
        // A kernel's scratch memory need not be a Buffer.
        const auto kernel = make_block_attention(
            plan.backend, {.head_size = plan.model.head_size, .threads = static_cast<int>(plan.threads)});
        const auto expected = static_cast<double>(training_memory(plan, plan.stages[0]).total());
        const double largest = world.all_reduce(held, Reduction::max);
        EXPECT_LE(largest, 1.02 * expected) << shape.to_string() << " " << name_of(recomputation);
        EXPECT_GE(largest + static_cast<double>(kernel->workspace_bytes()), 0.98 * expected)
            << shape.to_string() << " " << name_of(recomputation);
      }
    }
  }
}

}  // namespace
}  // namespace ringworld
