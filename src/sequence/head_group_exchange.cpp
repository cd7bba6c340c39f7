#include "sequence/head_group_exchange.hpp"

#include <span>

#include "core/activity.hpp"
#include "device/device_activity.hpp"

namespace ringworld {
namespace {

std::span<float> floats_of(const ActivationView& view) {
  return {static_cast<float*>(view.data), static_cast<std::size_t>(view.size())};
}

}  // namespace

HeadGroupExchange::HeadGroupExchange(const ExchangeGround& ground, std::byte* memory, std::int64_t half_bytes)
    : ground_(ground), front_(memory), back_(memory + half_bytes) {
  for (const ExchangeCargo cargo : {ExchangeCargo::forward_operands, ExchangeCargo::results,
                                    ExchangeCargo::backward_operands, ExchangeCargo::gradients}) {
    messages_[static_cast<std::size_t>(cargo)] = messages_of(cargo);
  }
}

HeadGroupExchange::Messages HeadGroupExchange::messages_of(ExchangeCargo cargo) const {
  const AttentionProblem& problem = ground_.exchanged;
  const bool is_of_receiver = cargo == ExchangeCargo::results || cargo == ExchangeCargo::gradients;
  const std::int64_t distance = exchange_distance(problem, cargo, ground_.tokens_max);
  Messages messages{.sent = {.memory = front_, .distance = distance, .bytes = {}},
                    .received = {.memory = back_, .distance = distance, .bytes = {}}};
  const std::int64_t of_own_tokens = exchange_block_bytes(problem, cargo, ground_.own_tokens());
  for (const std::int64_t tokens : ground_.tokens) {
    const std::int64_t of_its_tokens = exchange_block_bytes(problem, cargo, tokens);
    messages.sent.bytes.push_back(is_of_receiver ? of_its_tokens : of_own_tokens);
    messages.received.bytes.push_back(is_of_receiver ? of_own_tokens : of_its_tokens);
  }
  return messages;
}

void HeadGroupExchange::send(ExchangeCargo cargo, PassMode mode, SequenceTraffic& traffic) {
  if (mode == PassMode::compute_only) {
    return;
  }
  const Messages& messages = messages_[static_cast<std::size_t>(cargo)];
  pending_ = start_all_to_all(ground_.neighbours, messages.sent, messages.received, ground_.device.kind(),
                              ground_.message_limit);
  Traffic& sent = cargo == ExchangeCargo::gradients ? traffic.gradients : traffic.operands;
  ++sent.hops;
  const auto own = static_cast<std::size_t>(ground_.neighbours.rank());
  for (std::size_t member = 0; member < ground_.nodes.size(); ++member) {
    const std::int64_t bytes = member == own ? 0 : messages.sent.bytes[member];
    sent.bytes += bytes;
    sent.messages += bytes > 0 ? 1 : 0;
    sent.bytes_between_nodes += ground_.nodes[member] != ground_.nodes[own] ? bytes : 0;
  }
}

void HeadGroupExchange::wait() {
  const WaitPhase waiting("waiting for the heads of {} neighbours", ground_.ulysses() - 1);
  pending_.wait();
  mark_device_work(ground_.device, {.text = "the exchange of heads on the GPU", .is_waiting = true});
}

std::byte* HeadGroupExchange::packed_operands(PassMode mode) const {
  return mode == PassMode::compute_only ? back_ : front_;
}

std::byte* HeadGroupExchange::returned_results(PassMode mode) const {
  return mode == PassMode::compute_only ? front_ : back_;
}

ExchangeBlock HeadGroupExchange::message(ExchangeCargo cargo, int member, std::int64_t tokens, std::byte* half) const {
  const std::int64_t distance = messages_[static_cast<std::size_t>(cargo)].sent.distance;
  return view_exchange_block(ground_.exchanged, cargo, tokens, half + member * distance);
}

ExchangeBlock HeadGroupExchange::all_tokens(ExchangeCargo cargo, std::byte* half) const {
  return view_exchange_block(ground_.exchanged, cargo, ground_.begin.back() + ground_.tokens.back(), half);
}

HeadRange HeadGroupExchange::query_heads(int member, std::int64_t group) const {
  return query_heads_of(ground_.problem, ground_.ulysses() * ground_.groups, member * ground_.groups + group);
}

HeadRange HeadGroupExchange::key_heads(int member, std::int64_t group) const {
  return key_heads_of(ground_.problem, ground_.ulysses() * ground_.groups, member * ground_.groups + group);
}

void HeadGroupExchange::start_operands(ExchangeCargo cargo, std::int64_t group, const ConstExchangeBlock& own,
                                       PassMode mode, SequenceTraffic& traffic) {
  for (int member = 0; mode != PassMode::transfer_only && member < ground_.ulysses(); ++member) {
    copy_block(ground_.tensors, own.head_range(query_heads(member, group), key_heads(member, group)),
               message(cargo, member, ground_.own_tokens(), packed_operands(mode)));
  }
  send(cargo, mode, traffic);
}

ExchangeBlock HeadGroupExchange::operands(ExchangeCargo cargo, PassMode mode) {
  wait();
  const ExchangeBlock all = all_tokens(cargo, front_);
  for (int member = 0; mode != PassMode::transfer_only && member < ground_.ulysses(); ++member) {
    const auto index = static_cast<std::size_t>(member);
    copy_block(ground_.tensors, message(cargo, member, ground_.tokens[index], back_).as_const(),
               all.token_range(ground_.begin[index], ground_.tokens[index]));
  }
  return all;
}

void HeadGroupExchange::start_results(ExchangeCargo cargo, PassMode mode, SequenceTraffic& traffic) {
  const ExchangeBlock all = all_tokens(cargo, back_);
  for (int member = 0; mode != PassMode::transfer_only && member < ground_.ulysses(); ++member) {
    const auto index = static_cast<std::size_t>(member);
    copy_block(ground_.tensors, all.token_range(ground_.begin[index], ground_.tokens[index]).as_const(),
               message(cargo, member, ground_.tokens[index], front_));
  }
  send(cargo, mode, traffic);
}

void HeadGroupExchange::add_shared_gradients(std::byte* half) {
  const auto sharers = static_cast<int>(sharers_of_key_heads(ground_.problem, ground_.ulysses()));
  for (int member = 0; member < ground_.ulysses(); ++member) {
    if (const int first = member - member % sharers; first != member) {
      const ExchangeBlock sum = message(ExchangeCargo::gradients, first, ground_.own_tokens(), half);
      const ExchangeBlock more = message(ExchangeCargo::gradients, member, ground_.own_tokens(), half);
      for (std::size_t tensor = 0; tensor < sum.of_keys.size(); ++tensor) {
        ground_.tensors.add(floats_of(more.of_keys[tensor]), floats_of(sum.of_keys[tensor]));
      }
    }
  }
}

void HeadGroupExchange::finish_results(ExchangeCargo cargo, std::int64_t group, const ExchangeBlock& own,
                                       PassMode mode) {
  wait();
  if (mode == PassMode::transfer_only) {
    return;
  }
  std::byte* const half = returned_results(mode);
  if (cargo == ExchangeCargo::gradients) {
    add_shared_gradients(half);
  }
  const auto sharers = static_cast<int>(sharers_of_key_heads(ground_.problem, ground_.ulysses()));
  for (int member = 0; member < ground_.ulysses(); ++member) {
    ExchangeBlock place = own.head_range(query_heads(member, group), key_heads(member, group));
    if (member % sharers != 0) {
      place.of_keys = {};  // they are in the first message
    }
    copy_block(ground_.tensors, message(cargo, member, ground_.own_tokens(), half).as_const(), place);
  }
}

}  // namespace ringworld
