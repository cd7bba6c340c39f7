#include "sequence/head_exchange.hpp"

#include <algorithm>
#include <numeric>

#include "comm/device_choice.hpp"
#include "comm/nodes.hpp"

namespace ringworld {
namespace {

/// Every `stride`-th of `count` ranks, from `first` on. Collective over `ranks`.
Communicator every(const Communicator& ranks, int first, int stride, int count) {
  std::vector<int> members(static_cast<std::size_t>(count));
  for (int index = 0; index < count; ++index) {
    members[static_cast<std::size_t>(index)] = first + index * stride;
  }
  return ranks.part(members);
}

std::unique_ptr<SequenceAttention> make_inner(const Communicator& ranks, const SequenceAttentionOptions& options,
                                              std::function<void()> on_progress) {
  const int ulysses = options.schedule.ulysses;
  SequenceAttentionOptions inner = options;
  inner.problem = exchanged_problem(options.problem, options.schedule);
  inner.schedule = schedule_of_rings(options.schedule);
  inner.on_progress = std::move(on_progress);
  return make_sequence_attention(every(ranks, ranks.rank() % ulysses, ulysses, ranks.size() / ulysses), inner);
}

ExchangeGround make_ground(const Communicator& ranks, const SequenceAttentionOptions& options,
                           const Partition& partition, Device& device, TensorOps& tensors) {
  const int ulysses = options.schedule.ulysses;
  ExchangeGround ground{.neighbours = every(ranks, ranks.rank() - ranks.rank() % ulysses, 1, ulysses),
                        .problem = options.problem,
                        .exchanged = exchanged_problem(options.problem, options.schedule),
                        .groups = exchange_groups(options.schedule),
                        .nodes = {},
                        .tokens = {},
                        .begin = {},
                        .tokens_max = partition.tokens_per_rank(),
                        .message_limit = options.message_limit,
                        .device = device,
                        .tensors = tensors};
  ground.nodes = nodes_of(ground.neighbours);
  for (int member = 0; member < ulysses; ++member) {
    ground.tokens.push_back(partition.tokens(ranks.rank() - ground.neighbours.rank() + member));
  }
  ground.begin.resize(ground.tokens.size());
  std::exclusive_scan(ground.tokens.begin(), ground.tokens.end(), ground.begin.begin(), std::int64_t{0});
  return ground;
}

/// Adds the seconds of each step of one group to those of the groups before it.
void add_steps(const std::vector<double>& of_group, std::vector<double>& of_all) {
  of_all.resize(std::max(of_all.size(), of_group.size()));
  std::transform(of_group.begin(), of_group.end(), of_all.begin(), of_all.begin(), std::plus<>());
}

}  // namespace

HeadExchange::HeadExchange(const Communicator& ranks, const SequenceAttentionOptions& options)
    : SequenceAttention(ranks, options),
      inner_(make_inner(ranks, options, [this] { std::ranges::for_each(in_memory_, &HeadGroupExchange::test); })),
      device_(device(device_of(options.backend))),
      tensors_(make_tensor_ops(options.backend, {.threads = options.threads})),
      ground_(make_ground(ranks, options, partition(), device_, *tensors_)),
      arena_(exchange_arena_bytes(options.problem, ground_.ulysses(), options.pass, ground_.tokens_max, ground_.groups),
             device_, MemoryUse::attention) {
  const std::int64_t bytes =
      exchange_group_bytes(options.problem, ground_.ulysses(), options.pass, ground_.tokens_max, ground_.groups);
  for (std::int64_t place = 0; place < groups_in_memory(ground_.groups); ++place) {
    in_memory_.emplace_back(ground_, arena_.as<std::byte>() + place * bytes, bytes / 2);
  }
  if (device_.kind() != DeviceKind::host) {
    static_cast<void>(transport_of(ground_.neighbours, device_.kind()));  // decided here, not in the first pass
  }
}

void HeadExchange::run(const Passage& passage, const PassOptions& options) {
  const PassMode mode = options.mode;
  const std::int64_t groups = ground_.groups;
  traffic_ = {};
  has_missed_deadline_ = false;
  std::vector<double> steps_of_all;
  memory_of(0).start_operands(passage.out, 0, passage.operands, mode, traffic_);
  for (std::int64_t group = 0; group < groups; ++group) {
    HeadGroupExchange& exchange = memory_of(group);
    const ExchangeBlock operands = exchange.operands(passage.out, mode);
    if (group + 1 < groups) {
      memory_of(group + 1).start_operands(passage.out, group + 1, passage.operands, mode, traffic_);
    }
    PassOptions of_group = options;
    std::vector<double> steps;
    of_group.step_seconds = options.step_seconds == nullptr ? nullptr : &steps;
    passage.compute(operands, exchange.results(passage.back), of_group);
    traffic_ += inner_->traffic();
    has_missed_deadline_ = has_missed_deadline_ || inner_->has_missed_deadline();
    add_steps(steps, steps_of_all);
    exchange.start_results(passage.back, mode, traffic_);
    if (group > 0) {
      memory_of(group - 1).finish_results(passage.back, group - 1, passage.results, mode);
    }
  }
  memory_of(groups - 1).finish_results(passage.back, groups - 1, passage.results, mode);
  if (options.step_seconds != nullptr) {
    options.step_seconds->insert(options.step_seconds->end(), steps_of_all.begin(), steps_of_all.end());
  }
}

void HeadExchange::run_forward(const SequenceForward& pass, const PassOptions& options) {
  run({.out = ExchangeCargo::forward_operands,
       .operands =
           {.of_queries = {{pass.q}}, .of_keys = {{pass.k, pass.v}}, .of_rows = {}, .document_ids = pass.document_ids},
       .back = ExchangeCargo::results,
       .results =
           {.of_queries = {{pass.out}}, .of_keys = {}, .of_rows = {{pass.maximum, pass.sum}}, .document_ids = {}},
       .compute =
           [&](const ExchangeBlock& operands, const ExchangeBlock& results, const PassOptions& of_group) {
             inner_->forward({.q = operands.of_queries[0],
                              .k = operands.of_keys[0],
                              .v = operands.of_keys[1],
                              .document_ids = operands.document_ids,
                              .out = results.of_queries[0],
                              .maximum = results.of_rows[0],
                              .sum = results.of_rows[1]},
                             of_group);
           }},
      options);
  if (options.mode == PassMode::transfer_only) {
    // No key was seen. The output of such a state is neither written nor read: any memory will do.
    const AttentionState nothing{
        .maximum = pass.maximum,
        .sum = pass.sum,
        .output = {arena_.as<float>(), {pass.q.batch(), pass.q.heads(), pass.q.tokens(), pass.q.head_size()}}};
    kernel().reset(nothing);
    kernel().finalize(nothing, pass.out);
  }
}

void HeadExchange::run_backward(const SequenceBackward& pass, const PassOptions& options) {
  kernel().output_dot_gradient(pass.out, pass.dout, pass.delta);
  run({.out = ExchangeCargo::backward_operands,
       .operands = {.of_queries = {{pass.q, pass.dout}},
                    .of_keys = {{pass.k, pass.v}},
                    .of_rows = {{pass.maximum, pass.sum, pass.delta}},
                    .document_ids = pass.document_ids},
       .back = ExchangeCargo::gradients,
       .results = {.of_queries = {{pass.dq}}, .of_keys = {{pass.dk, pass.dv}}, .of_rows = {}, .document_ids = {}},
       .compute =
           [&](const ExchangeBlock& operands, const ExchangeBlock& gradients, const PassOptions& of_group) {
             inner_->backward({.q = operands.of_queries[0],
                               .k = operands.of_keys[0],
                               .v = operands.of_keys[1],
                               .document_ids = operands.document_ids,
                               .out = {},
                               .maximum = operands.of_rows[0],
                               .sum = operands.of_rows[1],
                               .dout = operands.of_queries[1],
                               .delta = operands.of_rows[2],
                               .dq = gradients.of_queries[0].as<float>(),
                               .dk = gradients.of_keys[0].as<float>(),
                               .dv = gradients.of_keys[1].as<float>()},
                              of_group);
           }},
      options);
}

}  // namespace ringworld
