#include "train/memory_plan.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "device/buffer.hpp"
#include "model/model.hpp"
#include "perf/resident_memory.hpp"
#include "support/available_device.hpp"
#include "support/expect_error.hpp"
#include "tasks/task.hpp"
#include "train/adamw_shards.hpp"
#include "train/training_problem.hpp"

namespace ringworld::test {
namespace {

std::vector<MeshShape> meshes() {
  switch (Communicator::world().size()) {
    case 1:
      return {{{1, 1, 1, 1}}};
    case 2:
      return {{{1, 1, 1, 2}}, {{1, 2, 1, 1}}, {{2, 1, 1, 1}}, {{1, 1, 2, 1}}};
    case 3:
      return {{{1, 1, 1, 3}}};
    default:
      return {{{1, 1, 1, 4}}, {{1, 2, 1, 2}}, {{2, 1, 2, 1}}, {{1, 1, 2, 2}}};
  }
}

/// All that a plan of memory asks of a task.
class PackedDocuments final : public Task {
 public:
  [[nodiscard]] std::string_view kind() const override { return "packed"; }
  void visit_keys(TaskKeys& /*keys*/) override {}
  [[nodiscard]] std::vector<LossTerm> terms() const override { return {}; }
  [[nodiscard]] bool has_documents() const override { return true; }
  [[nodiscard]] std::unique_ptr<BatchSource> source(const TaskData& /*data*/,
                                                    const TaskStage& /*stage*/) const override {
    return nullptr;
  }
};

/// Bytes that this rank holds at most while it trains for two steps.
MemoryByUse train_for_real(const TrainingPlan& plan) {
  const Communicator world = Communicator::world();
  const Stage& stage = plan.stages[0];
  MemoryLedger& ledger = device(device_of(plan.backend)).memory();
  EXPECT_EQ(ledger.account().current, 0) << "what others hold would be counted";
  ledger.reset_high_water();
  ShardedParameters parameters(plan.model, Mesh(world, stage.mesh), plan.backend);
  AdamWShards optimizer(parameters, plan.optimizer, plan.backend);
  Model model(parameters, plan.model_options(stage));
  parameters.initialize(plan.initialization, 1);
  const std::array<std::int64_t, 2> shape{model.options().batch, std::ssize(model.positions())};
  const std::vector<std::int32_t> zeros(static_cast<std::size_t>(element_count(shape)));
  const std::vector<float> ones(zeros.size(), 1.0F);
  const TensorView<const std::int32_t, 2> ids(zeros.data(), shape);
  for (int step = 0; step < 2; ++step) {
    parameters.clear_gradients();
    static_cast<void>(
        model.forward_backward({.tokens = ids,
                                .targets = ids,
                                .weights = {ones.data(), shape},
                                .document_ids = stage.has_documents() ? ids : TensorView<const std::int32_t, 2>()}));
    parameters.finish_gradients();
    optimizer.step(1e-3, optimizer.gradient_norm());
  }
  return ledger.account().at_high_water;
}

void expect_plan_equals_run(const TrainingPlan& plan) {
  const Communicator world = Communicator::world();
  const MemoryByUse held = train_for_real(plan);
  const MemoryByUse planned = plan_memory(plan, plan.stages[0], world.rank());
  EXPECT_TRUE(world.all_agree(planned == held))
      << plan.stages[0].mesh.to_string() << " " << name_of(plan.dtype) << " " << name_of(plan.recomputation) << " "
      << plan.stages[0].context_length << ": planned " << planned.total() << ", held " << held.total();
  EXPECT_EQ(plan_largest_memory(plan, plan.stages[0]).total(), world.all_reduce(held.total(), Reduction::max));
}

/// Lengths that a ring does and does not divide, and one that leaves ranks of a ring of four without a token.
constexpr std::array<std::int64_t, 3> lengths{96, 61, 3};

class MemoryPlan : public testing::TestWithParam<Backend> {};

TEST_P(MemoryPlan, IsWhatEveryRankHoldsToTheByte) {
  if (const std::string reason = why_unavailable(GetParam()); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  for (const MeshShape& mesh : meshes()) {
    TrainingPlan plan = small_plan(mesh, 1);
    plan.backend = GetParam();
    for (const DType dtype : {DType::float32, DType::bfloat16}) {
      plan.dtype = plan.wire_dtype = dtype;
      for (const Recomputation recomputation :
           {Recomputation::none, Recomputation::attention_saved, Recomputation::full, Recomputation::ffn_saved}) {
        plan.recomputation = recomputation;
        for (const std::int64_t length : lengths) {
          if (device_of(plan.backend) != DeviceKind::host &&
              (length != 61 || recomputation == Recomputation::attention_saved)) {
            continue;  // steps of simulated and of emulated devices take long
          }
          plan.model.head_size = dtype == DType::bfloat16 ? 64 : 16;  // where the paths of a GPU part
          plan.stages[0].context_length = length;
          plan.stages[0].task = length != 96 ? std::make_shared<PackedDocuments>() : nullptr;
          plan.model.is_head_tied = length == 61;
          expect_plan_equals_run(plan);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(OfBackends, MemoryPlan, testing::Values(Backend::host, Backend::kokkos, Backend::cuda),
                         [](const auto& backend) { return std::string(name_of(backend.param)); });

TEST(MemoryPlanOfLargeJobs, HoldsTheSameAMemberForFixedTokensARank) {
  if (!Communicator::world().is_root()) {
    GTEST_SKIP() << "a plan needs one rank";
  }
  TrainingPlan plan = small_plan({{1, 1, 16, 64}}, 1);
  plan.model = model_preset("7b");
  plan.dtype = plan.wire_dtype = DType::bfloat16;
  plan.recomputation = Recomputation::full;
  plan.stages[0].batch = 1;
  for (const Backend backend : {Backend::host, Backend::kokkos, Backend::cuda}) {
    plan.backend = backend;
    plan.stages[0].context_length = std::int64_t{1} << 20;
    plan.stages[0].mesh = {{1, 1, 16, 64}};
    const MemoryByUse at_million = plan_largest_memory(plan, plan.stages[0]);
    plan.stages[0].context_length /= 2;
    plan.stages[0].batch = 2;
    plan.stages[0].mesh = {{1, 2, 16, 32}};
    const MemoryByUse at_half = plan_largest_memory(plan, plan.stages[0]);
    plan.stages[0].batch = 1;
    EXPECT_EQ(at_million.total(), at_half.total()) << name_of(backend);
    EXPECT_GT(at_million[MemoryUse::activations], 0);
    EXPECT_EQ(at_million[MemoryUse::moments], 2 * at_million[MemoryUse::parameters]);
    EXPECT_EQ(at_million[MemoryUse::gradients], at_million[MemoryUse::parameters]);
  }
}

TEST(MemoryPlanOfLargeJobs, TouchesNoneOfWhatItCounts) {
  TrainingPlan plan = small_plan({{1, 1, 1, 1}}, 1);
  plan.model.vocabulary = std::int64_t{1} << 22;  // 640 MiB of parameters
  for (const Backend backend : {Backend::reference, Backend::host, Backend::kokkos, Backend::cuda}) {
    plan.backend = backend;
    const ResidentGrowth growth;
    const MemoryByUse bytes = plan_memory(plan, plan.stages[0], 0);
    EXPECT_GT(bytes.total(), std::int64_t{2} << 30) << name_of(backend);
    EXPECT_LT(growth.peak_bytes(), std::int64_t{64} << 20) << name_of(backend);
  }
}

TEST(MemoryPlanOfLargeJobs, LeavesTheDevicesAsTheyWere) {
  const Buffer held(1000);
  const MemoryAccount before = memory_account();
  static_cast<void>(plan_memory(small_plan({{1, 1, 1, 2}}, 1), small_plan({{1, 1, 1, 2}}, 1).stages[0], 1));
  EXPECT_EQ(memory_account().current, before.current);
  EXPECT_EQ(memory_account().high_water, before.high_water);
}

TEST(MemoryPlanOfLargeJobs, RefusesWhatTheModelRefuses) {
  TrainingPlan plan = small_plan({{1, 1, 1, 2}}, 1);
  plan.stages[0].context_length = 0;
  expect_error(ErrorKind::bad_input, [&] { static_cast<void>(plan_memory(plan, plan.stages[0], 0)); },
               {"context_length"});
  const Buffer after(10);  // the real device is back
  EXPECT_EQ(memory_account().current, 10);
}

}  // namespace
}  // namespace ringworld::test
