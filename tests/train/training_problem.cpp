#include "train/training_problem.hpp"

#include <stdlib.h>  // mkdtemp

#include <utility>

#include "core/random.hpp"

namespace ringworld::test {

Row ChainRows::draw_row(std::int64_t global_row) const {
  const CounterRng random(seed_, static_cast<std::uint64_t>(global_row));
  Row row;
  auto token = static_cast<Token>(random.integer(0, static_cast<std::uint64_t>(vocab_size_)));
  for (std::int64_t i = 0; i <= context_length(); ++i) {
    row.tokens.push_back(token);
    const auto step = static_cast<Token>(random.integer(static_cast<std::uint64_t>(i + 1), 3));
    token = static_cast<Token>((7 * token + step) % vocab_size_);
  }
  row.kinds.assign(static_cast<std::size_t>(context_length()), TargetKind::text);
  for (std::size_t i = 2; i < row.kinds.size(); i += 5) {
    row.kinds[i] = i % 2 == 0 ? TargetKind::answer : TargetKind::none;
  }
  return row;
}

TargetCounts ChainRows::count_targets(std::int64_t global_row) const {
  TargetCounts counts;
  for (const TargetKind kind : draw_row(global_row).kinds) {
    counts.answer += kind == TargetKind::answer ? 1 : 0;
    counts.text += kind == TargetKind::text ? 1 : 0;
  }
  return counts;
}

TrainingPlan small_plan(const MeshShape& mesh, std::int64_t steps) {
  TrainingPlan plan;
  plan.model = {.hidden_size = 40,
                .ffn_size = 56,
                .layers = 2,
                .heads = 4,
                .kv_heads = 4,
                .head_size = 16,
                .vocab_size = 53,
                .rope_theta = 512.0,
                .has_attention_bias = true};
  plan.seed = 7;
  Stage& stage = plan.stages.emplace_back();
  stage.context_length = 24;
  stage.rope_theta = 512.0;
  stage.steps = steps;
  stage.batch = 4;
  stage.mesh = mesh;
  stage.learning_rate = {.peak = 3e-3, .minimum = 3e-4, .warmup_steps = 3, .shape = DecayShape::linear, .hold = 0.5};
  stage.attends_within_documents = false;
  return plan;
}

TrainingRun small_run(TrainingPlan plan, std::filesystem::path checkpoint) {
  TrainingRun run;
  run.plan = std::move(plan);
  run.checkpoint.path = std::move(checkpoint);
  run.tokenizer = "byte\n";
  run.make_source = [vocab_size = run.plan.model.vocab_size](const Stage& stage, std::int64_t index) {
    const BatchOptions batch{.context_length = stage.context_length,
                             .rows_per_step = stage.batch,
                             .text_weight = stage.text_weight,
                             .attends_within_documents = false};
    return std::make_unique<ChainRows>(batch, 100 + static_cast<std::uint64_t>(index), vocab_size);
  };
  return run;
}

SharedDirectory::SharedDirectory(Communicator communicator) : communicator_(std::move(communicator)) {
  std::string path;
  on_root(communicator_, [&] {
    path = (std::filesystem::temp_directory_path() / "ringworld-train-XXXXXX").string();
    require(::mkdtemp(path.data()) != nullptr, "no temporary directory");
  });
  path_ = communicator_.broadcast(path, 0);
}

SharedDirectory::~SharedDirectory() {
  communicator_.barrier();
  if (communicator_.is_root()) {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
}

}  // namespace ringworld::test
