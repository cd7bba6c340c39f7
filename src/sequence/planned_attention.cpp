#include "sequence/planned_attention.hpp"

#include "comm/nodes.hpp"
#include "sequence/plan_cost.hpp"
#include "sequence/travelling_block.hpp"

namespace ringworld {
namespace {

/// Which tasks of a forward plan of keys write results. Where heads go in groups, those of one group do as those of any
/// other; a task of all heads does as the groups would.
LastBlocks last_blocks_of(const Plan& plan, const Partition& partition, int rank, bool is_causal) {
  if (!plan.do_keys_travel()) {
    return {};
  }
  LastBlocks found;
  found.is_last.resize(plan.tasks.size());
  for (int group = 0; group < plan.slot_piece.head_groups; ++group) {
    std::vector<std::size_t> tasks;
    std::vector<std::vector<BlockPair>> pairs;
    for (std::size_t index = 0; index < plan.tasks.size(); ++index) {
      const BlockTask& task = plan.tasks[index];
      if (task.queries.head_groups == 1 || task.queries.head_group == group) {
        tasks.push_back(index);
        pairs.push_back(visible_block_pairs(partition, task.queries, task.keys, is_causal));
      }
    }
    LastBlocks of_group = find_last_blocks(pairs, partition.tokens(rank));
    for (std::size_t index = 0; index < tasks.size(); ++index) {
      found.is_last[tasks[index]] = of_group.is_last[index];
    }
    found.left_over = std::move(of_group.left_over);
  }
  return found;
}

ShiftOptions shift_options(const SequenceAttentionOptions& options) {
  return {
      .memory = device_of(options.backend), .message_limit = options.message_limit, .chunk_bytes = options.chunk_bytes};
}

}  // namespace

PlannedAttention::PlannedAttention(const Communicator& ranks, const SequenceAttentionOptions& options)
    : SequenceAttention(ranks, options),
      ranks_(ranks),
      tokens_(partition().tokens(ranks.rank())),
      tokens_max_(partition().tokens_per_rank()),
      device_(device(device_of(options.backend))),
      forward_(make_plan(options.schedule, AttentionPass::forward, backward_rotation(), ranks.size(), ranks.rank())),
      backward_(make_plan(options.schedule, AttentionPass::backward, backward_rotation(), ranks.size(), ranks.rank())),
      last_blocks_(last_blocks_of(forward_.plan(), partition(), ranks.rank(), options.is_causal)),
      blocks_(options, partition(), [this] { drive_communication(); }),
      tensors_(make_tensor_ops(options.backend, {.threads = options.threads})),
      arena_(attention_arena_bytes(options.schedule, options.problem, options.pass, backward_rotation(), ranks.size(),
                                   tokens_max_),
             device_, MemoryUse::attention),
      is_polling_(options.is_polling) {
  const std::vector<int> nodes = nodes_of(ranks);
  lanes_.add(ranks, shift_options(options), forward_.plan(), nodes);
  if (options.pass != AttentionPass::forward) {
    lanes_.add(ranks, shift_options(options), backward_.plan(), nodes);
  }
  is_polling_ = is_polling_ && lanes_.need_driving();
}

void PlannedAttention::begin_pass() {
  lanes_.reset_traffic();
  blocks_.begin_pass();
}

void PlannedAttention::drive_communication() {
  if (is_polling_) {
    lanes_.test();
  }
  if (options().on_progress) {
    options().on_progress();
  }
}

WorkGround PlannedAttention::work_ground() {
  return {.problem = options().problem, .partition = partition(), .blocks = blocks_, .tensors = *tensors_};
}

void PlannedAttention::run(const PlanSteps& steps, std::byte* slots, PlanWork& work, const PassOptions& options) {
  const AttentionProblem& problem = this->options().problem;
  const Plan& plan = steps.plan();
  const Slots operands{.memory = slots, .slot_bytes = slot_bytes(plan, problem, plan.operands, tokens_max_)};
  const Slots sums{.memory = operands.slot(plan.slots.operands),
                   .slot_bytes = slot_bytes(plan, problem, plan.sums, tokens_max_)};
  run_plan(steps,
           {.device = device_,
            .ranks = ranks_,
            .schedule = name_of(this->options().schedule.kind),
            .lanes = lanes_,
            .bytes = [&](Cargo cargo, const Piece& piece) { return bytes_of(problem, partition(), cargo, piece); },
            .operands = operands,
            .sums = sums},
           work, options);
}

void PlannedAttention::run_forward(const SequenceForward& pass, const PassOptions& options) {
  begin_pass();
  const AttentionProblem& problem = this->options().problem;
  // The statistics of the state in the caller's tensors, its outputs in the arena, before the slots. A plan that leaves
  // nothing to a state has slots there, of which three are longer than an output.
  const AttentionState state{
      .maximum = pass.maximum,
      .sum = pass.sum,
      .output = {arena_.as<float>(), {problem.batch, problem.heads, tokens_, problem.head_size}}};
  std::byte* const slots = arena_.as<std::byte>() + own_output_bytes(forward_.plan(), problem, tokens_max_);
  BlockAttention& kernel = blocks_.kernel();
  if (!forward_.plan().do_keys_travel()) {
    const bool has_state = forward_.plan().has_own_result();
    if (has_state) {
      kernel.reset(state);
    }
    ForwardOfQueries work(work_ground(), pass, state, forward_.plan().sums);
    run(forward_, slots, work, options);
    if (!has_state && options.mode == PassMode::transfer_only) {
      kernel.reset(state);  // no block was there to come home
    }
    if (has_state || options.mode == PassMode::transfer_only) {
      kernel.finalize(state, pass.out);
    }
    return;
  }
  kernel.reset(state);
  ForwardOfKeys work(work_ground(), pass, state, forward_.plan(), last_blocks_);
  run(forward_, slots, work, options);
  if (options.mode == PassMode::transfer_only) {
    kernel.finalize(state, pass.out);  // no block was there to write
    return;
  }
  for (const TokenRange& queries : last_blocks_.left_over) {
    kernel.finalize(state.token_range(queries.begin, queries.count),
                    pass.out.token_range(queries.begin, queries.count));
  }
}

void PlannedAttention::run_backward(const SequenceBackward& pass, const PassOptions& options) {
  begin_pass();
  if (!pass.out.is_null()) {
    blocks_.kernel().output_dot_gradient(pass.out, pass.dout, pass.delta);
  }
  tensors_->fill_zero(pass.dq.elements());
  if (backward_.plan().do_keys_travel()) {
    BackwardOfKeys work(work_ground(), pass);
    run(backward_, arena_.as<std::byte>(), work, options);
    return;
  }
  BackwardOfQueries work(work_ground(), pass, backward_.plan().slot_piece.head_groups);
  run(backward_, arena_.as<std::byte>(), work, options);
  work.end();
}

}  // namespace ringworld
