#include "eval/prediction_plan.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "device/buffer.hpp"
#include "eval/ring_predictor.hpp"

namespace ringworld::test {
namespace {

TEST(PredictionPlan, IsWhatAPassHoldsToTheByte) {
  const Communicator world = Communicator::world();
  const Mesh mesh(world, MeshShape{{1, 1, 1, world.size()}});
  const ModelConfig config{.hidden_size = 64,
                           .ffn_size = 96,
                           .layers = 2,
                           .heads = 4,
                           .kv_heads = 4,
                           .head_size = 16,
                           .vocabulary = 61,
                           .is_head_tied = true};
  ShardedParameters parameters(config, mesh, Backend::host);
  for (const std::int64_t batch : {1, 3}) {
    const ModelOptions options{.batch = batch, .context_length = 37, .backend = Backend::host, .is_forward_only = true};
    const std::int64_t held = memory_account().current;
    const std::int64_t planned = plan_prediction(config, options, mesh.shape(), world.rank());
    EXPECT_EQ(memory_account().current, held);  // a plan holds nothing
    reset_high_water();
    RingPredictor predictor(parameters, options, 1024);
    const std::vector<Token> tokens(static_cast<std::size_t>(batch * 37), 5);
    (void)predictor.predict(tokens, std::array{TokenPlace{.row = 0, .position = 20}});
    EXPECT_EQ(memory_account().high_water - held, planned);
    EXPECT_GT(planned, 0);
  }
}

}  // namespace
}  // namespace ringworld::test
