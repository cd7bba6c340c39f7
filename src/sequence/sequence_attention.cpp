#include "sequence/sequence_attention.hpp"

#include <fmt/format.h>

#include "core/activity.hpp"
#include "core/error.hpp"
#include "sequence/head_exchange.hpp"
#include "sequence/plan_cost.hpp"
#include "sequence/planned_attention.hpp"
#include "sequence/schedule_check.hpp"

namespace ringworld {
namespace {

void require_heads(const AttentionProblem& problem) {
  require_input(problem.kv_heads > 0 && problem.heads % problem.kv_heads == 0,
                fmt::format("{} heads are not divisible by {} kv heads", problem.heads, problem.kv_heads));
}

void require_dense(const TensorView<float, 4>& view) {
  require(view.strides == row_major_strides(view.shape), "attention: dq, dk and dv must be dense");
}

}  // namespace

SequenceAttention::SequenceAttention(const Communicator& ranks, const SequenceAttentionOptions& options)
    : options_(options),
      partition_(options.layout, options.problem.context_length, ranks.size(), options.schedule.ulysses),
      rotation_(options.backward_rotation.value_or(cheaper_rotation(options.schedule, options.problem))) {
  require_input(!options.schedule.is_trimmed || rotation_ == BackwardRotation::kv,
                "trim drops keys: it does not go with a backward rotation of queries");
}

void SequenceAttention::forward(const SequenceForward& pass, const PassOptions& options) {
  const Phase phase("forward");
  run_forward(pass, options);
}

void SequenceAttention::backward(const SequenceBackward& pass, const PassOptions& options) {
  const Phase phase("backward");
  require(options_.pass != AttentionPass::forward, "attention was planned for the forward pass only");
  require_dense(pass.dq);
  require_dense(pass.dk);
  require_dense(pass.dv);
  run_backward(pass, options);
}

std::unique_ptr<SequenceAttention> make_sequence_attention(const Communicator& ranks,
                                                           const SequenceAttentionOptions& options) {
  require_heads(options.problem);
  check_schedule(options.schedule, options.problem, options.layout, options.is_causal, ranks.size());
  SequenceAttentionOptions resolved = options;
  resolved.schedule = with_window(options.schedule, ranks);
  if (resolved.schedule.ulysses > 1) {
    return std::make_unique<HeadExchange>(ranks, resolved);
  }
  return std::make_unique<PlannedAttention>(ranks, resolved);
}

}  // namespace ringworld
