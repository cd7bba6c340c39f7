#include "sequence/planned_attention.hpp"

#include "sequence/plan_cost.hpp"
#include "sequence/travelling_block.hpp"

namespace ringworld {
namespace {

/// Where the forward pass of this rank's queries writes results.
LastBlocks last_blocks_of(const Plan& plan, const Partition& partition, int rank, bool is_causal) {
  std::vector<std::vector<BlockPair>> pairs;
  for (const BlockTask& task : plan.tasks) {
    pairs.push_back(visible_block_pairs(partition, task.queries, task.keys, is_causal));
  }
  return find_last_blocks(pairs, partition.tokens(rank));
}

std::span<const float> as_floats(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
}

std::span<float> as_floats(std::span<std::byte> bytes) {
  return {reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float)};
}

std::span<float> as_floats(const TensorView<float, 4>& view) {
  return {view.data, static_cast<std::size_t>(view.size())};
}

/// Packs this rank's keys and values for their way to other ranks.
template <class Pass>
void pack_keys(TensorOps& tensors, const Pass& pass, const KeyValueBlock& block) {
  tensors.copy_activations(pass.k, block.k);
  tensors.copy_activations(pass.v, block.v);
  if (!block.document_ids.is_null()) {
    tensors.copy_strided<std::int32_t>(pass.document_ids, block.document_ids);
  }
}

void pack_queries(TensorOps& tensors, const SequenceBackward& pass, const QueryBlock& block) {
  tensors.copy_strided<float>(pass.maximum, block.maximum);
  tensors.copy_strided<float>(pass.sum, block.sum);
  tensors.copy_strided<float>(pass.delta, block.delta);
  tensors.copy_activations(pass.q, block.q);
  tensors.copy_activations(pass.dout, block.dout);
  if (!block.document_ids.is_null()) {
    tensors.copy_strided<std::int32_t>(pass.document_ids, block.document_ids);
  }
}

template <class Pass>
KeyOperands own_keys(const Pass& pass) {
  return {.k = pass.k, .v = pass.v, .document_ids = pass.document_ids};
}

QueryOperands own_queries(const SequenceBackward& pass) {
  return {.q = pass.q,
          .dout = pass.dout,
          .maximum = pass.maximum,
          .sum = pass.sum,
          .delta = pass.delta,
          .document_ids = pass.document_ids};
}

KeyOperands keys_in(const AttentionProblem& problem, std::int64_t tokens, std::span<std::byte> memory) {
  const KeyValueBlock block = view_key_value_block(problem, tokens, memory.data());
  return {.k = block.k, .v = block.v, .document_ids = block.document_ids};
}

QueryOperands queries_in(const AttentionProblem& problem, std::int64_t tokens, std::span<std::byte> memory) {
  const QueryBlock block = view_query_block(problem, tokens, memory.data());
  return {.q = block.q,
          .dout = block.dout,
          .maximum = block.maximum,
          .sum = block.sum,
          .delta = block.delta,
          .document_ids = block.document_ids};
}

/// Adds sums that arrived to this rank's own, or puts them in their place.
void take_home(TensorOps& tensors, const Fold& fold, std::span<const float> arrived, const TensorView<float, 4>& own) {
  if (fold.is_overwriting) {
    tensors.copy(arrived, own.data);
  } else {
    tensors.add(arrived, as_floats(own));
  }
}

ShiftOptions shift_options(const SequenceAttentionOptions& options) {
  return {
      .memory = device_of(options.backend), .message_limit = options.message_limit, .chunk_bytes = options.chunk_bytes};
}

std::int64_t output_bytes(const AttentionProblem& problem, std::int64_t tokens) {
  return problem.batch * tokens * problem.heads * problem.head_size * static_cast<std::int64_t>(sizeof(float));
}

}  // namespace

PlannedAttention::PlannedAttention(const Communicator& ranks, const SequenceAttentionOptions& options)
    : SequenceAttention(ranks, options),
      ranks_(ranks),
      tokens_(partition().tokens(ranks.rank())),
      tokens_max_(partition().tokens_per_rank()),
      device_(device(device_of(options.backend))),
      forward_plan_(
          make_plan(options.schedule, AttentionPass::forward, backward_rotation(), ranks.size(), ranks.rank())),
      backward_plan_(
          make_plan(options.schedule, AttentionPass::backward, backward_rotation(), ranks.size(), ranks.rank())),
      last_blocks_(last_blocks_of(forward_plan_, partition(), ranks.rank(), options.is_causal)),
      blocks_(options, partition(), [this] { drive_communication(); }),
      tensors_(make_tensor_ops(options.backend, {.threads = options.threads})),
      arena_(attention_arena_bytes(options.schedule, options.problem, options.pass, backward_rotation(), ranks.size(),
                                   tokens_max_),
             device_, MemoryUse::attention),
      operand_lane_(ranks, shift_options(options), forward_plan_.motion(false)),
      sum_lane_(ranks, shift_options(options), backward_plan_.motion(true)),
      is_polling_(options.is_polling && operand_lane_.needs_driving()) {}

void PlannedAttention::begin_pass() {
  operand_lane_.reset_traffic();
  sum_lane_.reset_traffic();
  blocks_.begin_pass();
}

void PlannedAttention::drive_communication() {
  if (is_polling_) {
    operand_lane_.test();
    sum_lane_.test();
  }
}

Slots PlannedAttention::operand_slots(const Plan& plan, std::byte* memory) const {
  return {.memory = memory, .slot_bytes = block_bytes(options().problem, plan.operands, tokens_max_)};
}

Slots PlannedAttention::sum_slots(const Plan& plan, std::byte* memory) const {
  return {.memory = memory + plan.slots.operands * operand_slots(plan, memory).slot_bytes,
          .slot_bytes = block_bytes(options().problem, gradient_of(plan.operands), tokens_max_)};
}

std::byte* PlannedAttention::packed(const Plan& plan, std::byte* slots) const {
  return plan.packed_slot == none ? nullptr
                                  : operand_slots(plan, slots)
                                        .block(plan.packed_slot, block_bytes(options().problem, plan.operands, tokens_))
                                        .data();
}

void PlannedAttention::run(const Plan& plan, std::byte* slots, const PlanWork& work, const PassOptions& options) {
  run_plan(plan,
           {.device = device_,
            .ranks = ranks_,
            .schedule = name_of(this->options().schedule),
            .operand_lane = operand_lane_,
            .sum_lane = sum_lane_,
            .operands = operand_slots(plan, slots),
            .sums = sum_slots(plan, slots)},
           work, options);
}

void PlannedAttention::run_forward(const SequenceForward& pass, const PassOptions& options) {
  begin_pass();
  const AttentionProblem& problem = this->options().problem;
  // The statistics of the state in the caller's tensors, its outputs in the arena, before the slots.
  const AttentionState state{
      .maximum = pass.maximum,
      .sum = pass.sum,
      .output = {arena_.as<float>(), {problem.batch, problem.heads, tokens_, problem.head_size}}};
  std::byte* const slots = arena_.as<std::byte>() + output_bytes(problem, tokens_max_);
  BlockAttention& kernel = blocks_.kernel();
  kernel.reset(state);
  if (std::byte* const own = packed(forward_plan_, slots)) {
    pack_keys(*tensors_, pass, view_key_value_block(problem, tokens_, own));
  }

  const PlanWork work{
      .block_bytes = [&](Cargo cargo, int rank) { return block_bytes(problem, cargo, partition().tokens(rank)); },
      .compute =
          [&](const BlockTask& task, std::span<std::byte> held, std::span<std::byte> /*sums*/) {
            const auto index = static_cast<std::size_t>(&task - forward_plan_.tasks.data());
            blocks_.accumulate(
                task, pass,
                held.data() == nullptr ? own_keys(pass) : keys_in(problem, partition().tokens(task.keys), held), state,
                last_blocks_.is_last[index]);
          },
      .fold = {}};
  run(forward_plan_, slots, work, options);
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
  blocks_.kernel().output_dot_gradient(pass.out, pass.dout, pass.delta);
  tensors_->fill_zero(as_floats(pass.dq));
  if (backward_rotation() == BackwardRotation::kv) {
    backward_with_travelling_keys(pass, options);
  } else {
    backward_with_travelling_queries(pass, options);
  }
}

void PlannedAttention::backward_with_travelling_keys(const SequenceBackward& pass, const PassOptions& options) {
  const AttentionProblem& problem = this->options().problem;
  std::byte* const slots = arena_.as<std::byte>();
  if (std::byte* const own = packed(backward_plan_, slots)) {
    pack_keys(*tensors_, pass, view_key_value_block(problem, tokens_, own));
  }
  const PlanWork work{
      .block_bytes = [&](Cargo cargo, int rank) { return block_bytes(problem, cargo, partition().tokens(rank)); },
      .compute =
          [&](const BlockTask& task, std::span<std::byte> held, std::span<std::byte> sums) {
            const std::int64_t tokens = partition().tokens(task.keys);
            const KeyOperands keys = held.data() == nullptr ? own_keys(pass) : keys_in(problem, tokens, held);
            const GradientBlock share = view_gradient_block(problem, Cargo::kv_gradient, tokens, sums.data());
            const bool is_home = sums.data() == nullptr;
            KeyGradients gradients(*tensors_, is_home ? pass.dk : share.first, is_home ? pass.dv : share.second);
            blocks_.backward(task, own_queries(pass), keys, pass.dq, gradients);
            gradients.end();
          },
      .fold =
          [&](const Fold& fold, std::span<const std::byte> arrived, std::span<std::byte> into) {
            const std::span<const float> all = as_floats(arrived);
            if (into.data() != nullptr) {
              tensors_->add(all, as_floats(into));
              return;
            }
            take_home(*tensors_, fold, all.first(all.size() / 2), pass.dk);
            take_home(*tensors_, fold, all.last(all.size() / 2), pass.dv);
          }};
  run(backward_plan_, slots, work, options);
}

void PlannedAttention::backward_with_travelling_queries(const SequenceBackward& pass, const PassOptions& options) {
  const AttentionProblem& problem = this->options().problem;
  std::byte* const slots = arena_.as<std::byte>();
  if (std::byte* const own = packed(backward_plan_, slots)) {
    pack_queries(*tensors_, pass, view_query_block(problem, tokens_, own));
  }
  KeyGradients gradients(*tensors_, pass.dk, pass.dv);
  const PlanWork work{
      .block_bytes = [&](Cargo cargo, int rank) { return block_bytes(problem, cargo, partition().tokens(rank)); },
      .compute =
          [&](const BlockTask& task, std::span<std::byte> held, std::span<std::byte> sums) {
            const std::int64_t tokens = partition().tokens(task.queries);
            const QueryOperands queries =
                held.data() == nullptr ? own_queries(pass) : queries_in(problem, tokens, held);
            TensorView<float, 4> dq = pass.dq;  // cleared before
            if (sums.data() != nullptr) {
              dq = view_gradient_block(problem, Cargo::q_gradient, tokens, sums.data()).first;
              tensors_->fill_zero(as_floats(dq));
            }
            blocks_.backward(task, queries, own_keys(pass), dq, gradients);
          },
      .fold =
          [&](const Fold& fold, std::span<const std::byte> arrived, std::span<std::byte> into) {
            if (into.data() != nullptr) {
              tensors_->add(as_floats(arrived), as_floats(into));
            } else {
              take_home(*tensors_, fold, as_floats(arrived), pass.dq);
            }
          }};
  run(backward_plan_, slots, work, options);
  gradients.end();
}

}  // namespace ringworld
