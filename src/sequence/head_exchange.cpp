#include "sequence/head_exchange.hpp"

#include <numeric>
#include <span>

#include "comm/device_choice.hpp"
#include "comm/nodes.hpp"
#include "core/activity.hpp"
#include "device/device_activity.hpp"

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

std::unique_ptr<SequenceAttention> make_inner(const Communicator& ranks, const SequenceAttentionOptions& options) {
  const int ulysses = options.schedule.ulysses;
  SequenceAttentionOptions inner = options;
  inner.problem = exchanged_problem(options.problem, ulysses);
  inner.schedule = schedule_of_rings(options.schedule);
  return make_sequence_attention(every(ranks, ranks.rank() % ulysses, ulysses, ranks.size() / ulysses), inner);
}

std::span<float> floats_of(const ActivationView& view) {
  return {static_cast<float*>(view.data), static_cast<std::size_t>(view.size())};
}

}  // namespace

HeadExchange::HeadExchange(const Communicator& ranks, const SequenceAttentionOptions& options)
    : SequenceAttention(ranks, options),
      neighbours_(every(ranks, ranks.rank() - ranks.rank() % options.schedule.ulysses, 1, options.schedule.ulysses)),
      nodes_(nodes_of(neighbours_)),
      inner_(make_inner(ranks, options)),
      ulysses_(options.schedule.ulysses),
      tokens_max_(partition().tokens_per_rank()),
      device_(device(device_of(options.backend))),
      tensors_(make_tensor_ops(options.backend, {.threads = options.threads})),
      arena_(exchange_arena_bytes(options.problem, ulysses_, options.pass, tokens_max_), device_, MemoryUse::attention),
      front_(arena_.as<std::byte>()),
      back_(front_ + arena_.bytes() / 2) {
  for (int member = 0; member < neighbours_.size(); ++member) {
    tokens_.push_back(partition().tokens(ranks.rank() - neighbours_.rank() + member));
  }
  begin_.resize(tokens_.size());
  std::exclusive_scan(tokens_.begin(), tokens_.end(), begin_.begin(), std::int64_t{0});
  for (const ExchangeCargo cargo : {ExchangeCargo::forward_operands, ExchangeCargo::results,
                                    ExchangeCargo::backward_operands, ExchangeCargo::gradients}) {
    messages_[static_cast<std::size_t>(cargo)] = messages_of(cargo);
  }
  if (device_.kind() != DeviceKind::host) {
    static_cast<void>(transport_of(neighbours_, device_.kind()));  // decided here, not in the first pass
  }
}

SequenceTraffic HeadExchange::traffic() const {
  SequenceTraffic all = inner_->traffic();
  return all += traffic_;
}

HeadExchange::Messages HeadExchange::messages_of(ExchangeCargo cargo) const {
  const AttentionProblem& problem = inner_->options().problem;
  const bool is_of_receiver = cargo == ExchangeCargo::results || cargo == ExchangeCargo::gradients;
  const std::int64_t distance = exchange_distance(problem, cargo, tokens_max_);
  Messages messages{.sent = {.memory = front_, .distance = distance, .bytes = {}},
                    .received = {.memory = back_, .distance = distance, .bytes = {}}};
  const std::int64_t of_own_tokens =
      exchange_block_bytes(problem, cargo, tokens_[static_cast<std::size_t>(neighbours_.rank())]);
  for (const std::int64_t tokens : tokens_) {
    const std::int64_t of_its_tokens = exchange_block_bytes(problem, cargo, tokens);
    messages.sent.bytes.push_back(is_of_receiver ? of_its_tokens : of_own_tokens);
    messages.received.bytes.push_back(is_of_receiver ? of_own_tokens : of_its_tokens);
  }
  return messages;
}

void HeadExchange::exchange(ExchangeCargo cargo, PassMode mode) {
  if (mode == PassMode::compute_only) {
    return;
  }
  const WaitPhase wait("waiting for the heads of {} neighbours", ulysses_ - 1);
  const Messages& messages = messages_[static_cast<std::size_t>(cargo)];
  start_all_to_all(neighbours_, messages.sent, messages.received, device_.kind(), options().message_limit).wait();
  mark_device_work(device_, {.text = "the exchange of heads on the GPU", .is_waiting = true});
  Traffic& sent = cargo == ExchangeCargo::gradients ? traffic_.gradients : traffic_.operands;
  ++sent.hops;
  const auto own = static_cast<std::size_t>(neighbours_.rank());
  for (std::size_t member = 0; member < nodes_.size(); ++member) {
    const std::int64_t bytes = member == own ? 0 : messages.sent.bytes[member];
    sent.bytes += bytes;
    sent.messages += bytes > 0 ? 1 : 0;
    sent.bytes_between_nodes += nodes_[member] != nodes_[own] ? bytes : 0;
  }
}

std::byte* HeadExchange::packed_operands(PassMode mode) const {
  return mode == PassMode::compute_only ? back_ : front_;
}

std::byte* HeadExchange::returned_results(PassMode mode) const {
  return mode == PassMode::compute_only ? front_ : back_;
}

ExchangeBlock HeadExchange::message(ExchangeCargo cargo, int member, std::int64_t tokens, std::byte* half) const {
  const std::int64_t distance = messages_[static_cast<std::size_t>(cargo)].sent.distance;
  return view_exchange_block(inner_->options().problem, cargo, tokens, half + member * distance);
}

ExchangeBlock HeadExchange::all_tokens(ExchangeCargo cargo, std::byte* half) const {
  return view_exchange_block(inner_->options().problem, cargo, begin_.back() + tokens_.back(), half);
}

void HeadExchange::pack_operands(ExchangeCargo cargo, const ConstExchangeBlock& own, PassMode mode) {
  const AttentionProblem& problem = options().problem;
  const std::int64_t tokens = tokens_[static_cast<std::size_t>(neighbours_.rank())];
  for (int member = 0; mode != PassMode::transfer_only && member < neighbours_.size(); ++member) {
    copy_block(*tensors_,
               own.head_range(query_heads_of(problem, ulysses_, member), key_heads_of(problem, ulysses_, member)),
               message(cargo, member, tokens, packed_operands(mode)));
  }
}

ExchangeBlock HeadExchange::unpack_operands(ExchangeCargo cargo, PassMode mode) {
  const ExchangeBlock all = all_tokens(cargo, front_);
  for (int member = 0; mode != PassMode::transfer_only && member < neighbours_.size(); ++member) {
    const auto index = static_cast<std::size_t>(member);
    copy_block(*tensors_, message(cargo, member, tokens_[index], back_).as_const(),
               all.token_range(begin_[index], tokens_[index]));
  }
  return all;
}

void HeadExchange::pack_results(ExchangeCargo cargo, PassMode mode) {
  const ExchangeBlock all = all_tokens(cargo, back_);
  for (int member = 0; mode != PassMode::transfer_only && member < neighbours_.size(); ++member) {
    const auto index = static_cast<std::size_t>(member);
    copy_block(*tensors_, all.token_range(begin_[index], tokens_[index]).as_const(),
               message(cargo, member, tokens_[index], front_));
  }
}

void HeadExchange::add_shared_gradients(std::byte* half) {
  const auto sharers = static_cast<int>(sharers_of_key_heads(options().problem, ulysses_));
  const std::int64_t tokens = tokens_[static_cast<std::size_t>(neighbours_.rank())];
  for (int member = 0; member < neighbours_.size(); ++member) {
    if (const int first = member - member % sharers; first != member) {
      const ExchangeBlock sum = message(ExchangeCargo::gradients, first, tokens, half);
      const ExchangeBlock more = message(ExchangeCargo::gradients, member, tokens, half);
      for (std::size_t tensor = 0; tensor < sum.of_keys.size(); ++tensor) {
        tensors_->add(floats_of(more.of_keys[tensor]), floats_of(sum.of_keys[tensor]));
      }
    }
  }
}

void HeadExchange::unpack_results(ExchangeCargo cargo, const ExchangeBlock& own, PassMode mode) {
  std::byte* const half = returned_results(mode);
  if (cargo == ExchangeCargo::gradients) {
    add_shared_gradients(half);
  }
  const AttentionProblem& problem = options().problem;
  const auto sharers = static_cast<int>(sharers_of_key_heads(problem, ulysses_));
  const std::int64_t tokens = tokens_[static_cast<std::size_t>(neighbours_.rank())];
  for (int member = 0; member < neighbours_.size(); ++member) {
    ExchangeBlock place =
        own.head_range(query_heads_of(problem, ulysses_, member), key_heads_of(problem, ulysses_, member));
    if (member % sharers != 0) {
      place.of_keys = {};  // they are in the first message
    }
    copy_block(*tensors_, message(cargo, member, tokens, half).as_const(), place);
  }
}

void HeadExchange::run_forward(const SequenceForward& pass, const PassOptions& options) {
  traffic_ = {};
  const PassMode mode = options.mode;
  pack_operands(
      ExchangeCargo::forward_operands,
      {.of_queries = {{pass.q}}, .of_keys = {{pass.k, pass.v}}, .of_rows = {}, .document_ids = pass.document_ids},
      mode);
  exchange(ExchangeCargo::forward_operands, mode);
  const ExchangeBlock operands = unpack_operands(ExchangeCargo::forward_operands, mode);
  const ExchangeBlock results = all_tokens(ExchangeCargo::results, back_);
  inner_->forward({.q = operands.of_queries[0],
                   .k = operands.of_keys[0],
                   .v = operands.of_keys[1],
                   .document_ids = operands.document_ids,
                   .out = results.of_queries[0],
                   .maximum = results.of_rows[0],
                   .sum = results.of_rows[1]},
                  options);
  pack_results(ExchangeCargo::results, mode);
  exchange(ExchangeCargo::results, mode);
  if (mode == PassMode::transfer_only) {
    // No key was seen. The output of such a state is not read: any memory will do, and the arena is large enough.
    const AttentionState nothing{
        .maximum = pass.maximum,
        .sum = pass.sum,
        .output = {arena_.as<float>(), {pass.q.batch(), pass.q.heads(), pass.q.tokens(), pass.q.head_size()}}};
    kernel().reset(nothing);
    kernel().finalize(nothing, pass.out);
    return;
  }
  unpack_results(ExchangeCargo::results,
                 {.of_queries = {{pass.out}}, .of_keys = {}, .of_rows = {{pass.maximum, pass.sum}}, .document_ids = {}},
                 mode);
}

void HeadExchange::run_backward(const SequenceBackward& pass, const PassOptions& options) {
  traffic_ = {};
  const PassMode mode = options.mode;
  kernel().output_dot_gradient(pass.out, pass.dout, pass.delta);
  pack_operands(ExchangeCargo::backward_operands,
                {.of_queries = {{pass.q, pass.dout}},
                 .of_keys = {{pass.k, pass.v}},
                 .of_rows = {{pass.maximum, pass.sum, pass.delta}},
                 .document_ids = pass.document_ids},
                mode);
  exchange(ExchangeCargo::backward_operands, mode);
  const ExchangeBlock operands = unpack_operands(ExchangeCargo::backward_operands, mode);
  const ExchangeBlock gradients = all_tokens(ExchangeCargo::gradients, back_);
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
                   options);
  pack_results(ExchangeCargo::gradients, mode);
  exchange(ExchangeCargo::gradients, mode);
  if (mode != PassMode::transfer_only) {
    unpack_results(ExchangeCargo::gradients,
                   {.of_queries = {{pass.dq}}, .of_keys = {{pass.dk, pass.dv}}, .of_rows = {}, .document_ids = {}},
                   mode);
  }
}

}  // namespace ringworld
