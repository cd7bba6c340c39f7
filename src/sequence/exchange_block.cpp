#include "sequence/exchange_block.hpp"

#include <algorithm>

#include "sequence/travelling_block.hpp"

namespace ringworld {
namespace {

/// What copies of wide pieces like, on any device.
constexpr std::int64_t message_alignment = 256;

bool is_forward(ExchangeCargo cargo) {
  return cargo == ExchangeCargo::forward_operands || cargo == ExchangeCargo::results;
}

/// Operands go out by the heads of their receiver and come in by the tokens of their sender; what goes back, the other
/// way round.
bool is_on_the_way_back(ExchangeCargo cargo) {
  return cargo == ExchangeCargo::results || cargo == ExchangeCargo::gradients;
}

constexpr std::array all_cargos{ExchangeCargo::forward_operands, ExchangeCargo::results,
                                ExchangeCargo::backward_operands, ExchangeCargo::gradients};

template <bool IsConst>
BasicActivationView<IsConst> heads_of(BasicActivationView<IsConst> view, const HeadRange& heads) {
  using Byte = typename BasicActivationView<IsConst>::Byte;
  if (!view.is_null()) {
    view.data = static_cast<Byte*>(view.data) + heads.first * view.strides[2] * size_of(view.dtype);
    view.shape[2] = heads.count;
  }
  return view;
}

bool is_of(ExchangeCargo cargo, AttentionPass pass) {
  return pass == AttentionPass::forward_backward || is_forward(cargo) == (pass == AttentionPass::forward);
}

}  // namespace

int exchange_groups(const Schedule& schedule) { return schedule.ulysses > 1 ? schedule.head_groups : 1; }

AttentionProblem exchanged_problem(const AttentionProblem& problem, std::int64_t ulysses, std::int64_t groups) {
  if (ulysses == 1) {
    return problem;
  }
  AttentionProblem exchanged = problem;
  exchanged.heads = query_heads_of(problem, ulysses * groups, 0).count;
  exchanged.kv_heads = key_heads_of(problem, ulysses * groups, 0).count;
  exchanged.dtype = problem.wire_dtype;
  return exchanged;
}

AttentionProblem exchanged_problem(const AttentionProblem& problem, const Schedule& schedule) {
  return exchanged_problem(problem, schedule.ulysses, exchange_groups(schedule));
}

Schedule schedule_of_rings(Schedule schedule) {
  if (schedule.ulysses > 1) {
    schedule.ulysses = 1;
    schedule.head_groups = 1;
  }
  return schedule;
}

Partition partition_of_rings(const Partition& partition) {
  return {partition.layout(), partition.context_length(), partition.ranks() / partition.ulysses()};
}

HeadRange query_heads_of(const AttentionProblem& problem, std::int64_t ulysses, std::int64_t member) {
  const std::int64_t count = problem.heads / ulysses;
  return {.first = member * count, .count = count};
}

HeadRange key_heads_of(const AttentionProblem& problem, std::int64_t ulysses, std::int64_t member) {
  return {.first = member * problem.kv_heads / ulysses, .count = std::max<std::int64_t>(1, problem.kv_heads / ulysses)};
}

std::int64_t sharers_of_key_heads(const AttentionProblem& problem, std::int64_t ulysses) {
  return std::max<std::int64_t>(1, ulysses / problem.kv_heads);
}

template <bool IsConst>
BasicExchangeBlock<IsConst> BasicExchangeBlock<IsConst>::token_range(std::int64_t begin, std::int64_t count) const {
  BasicExchangeBlock part = *this;
  for (auto* vectors : {&part.of_queries, &part.of_keys}) {
    for (auto& view : *vectors) {
      view = view.is_null() ? view : view.token_range(begin, count);
    }
  }
  for (auto& rows : part.of_rows) {
    rows = rows.is_null() ? rows : rows.slice(2, begin, count);
  }
  part.document_ids = document_ids.is_null() ? document_ids : document_ids.slice(1, begin, count);
  return part;
}

template <bool IsConst>
BasicExchangeBlock<IsConst> BasicExchangeBlock<IsConst>::head_range(const HeadRange& query_heads,
                                                                    const HeadRange& key_heads) const {
  BasicExchangeBlock part = *this;
  for (auto& view : part.of_queries) {
    view = heads_of(view, query_heads);
  }
  for (auto& view : part.of_keys) {
    view = heads_of(view, key_heads);
  }
  for (auto& rows : part.of_rows) {
    rows = rows.is_null() ? rows : rows.slice(1, query_heads.first, query_heads.count);
  }
  return part;
}

template struct BasicExchangeBlock<false>;
template struct BasicExchangeBlock<true>;

namespace {

/// Lays out a block and says how long it is.
struct LaidOutBlock {
  ExchangeBlock block;
  std::int64_t bytes = 0;
};

LaidOutBlock lay_out(const AttentionProblem& problem, ExchangeCargo cargo, std::int64_t tokens, std::byte* memory) {
  BlockCursor cursor(memory);
  ExchangeBlock block;
  const std::array query_shape{problem.batch, tokens, problem.heads, problem.head_size};
  const std::array key_shape{problem.batch, tokens, problem.kv_heads, problem.head_size};
  const DType dtype = cargo == ExchangeCargo::gradients ? DType::float32 : problem.wire_dtype;
  block.of_queries[0] = cursor.activations(dtype, query_shape);
  if (cargo == ExchangeCargo::backward_operands) {
    block.of_queries[1] = cursor.activations(dtype, query_shape);
  }
  if (cargo != ExchangeCargo::results) {
    for (ActivationView& view : block.of_keys) {
      view = cursor.activations(dtype, key_shape);
    }
  }
  const std::size_t numbers = cargo == ExchangeCargo::results ? 2 : cargo == ExchangeCargo::backward_operands ? 3 : 0;
  for (std::size_t number = 0; number < numbers; ++number) {
    block.of_rows[number] = cursor.tensor<float, 3>({problem.batch, problem.heads, tokens});
  }
  if (problem.has_documents && !is_on_the_way_back(cargo)) {
    block.document_ids = cursor.tensor<std::int32_t, 2>({problem.batch, tokens});
  }
  return {.block = block, .bytes = cursor.bytes()};
}

}  // namespace

ExchangeBlock view_exchange_block(const AttentionProblem& problem, ExchangeCargo cargo, std::int64_t tokens,
                                  std::byte* memory) {
  return lay_out(problem, cargo, tokens, memory).block;
}

std::int64_t exchange_block_bytes(const AttentionProblem& problem, ExchangeCargo cargo, std::int64_t tokens) {
  return lay_out(problem, cargo, tokens, nullptr).bytes;
}

void copy_block(TensorOps& tensors, const ConstExchangeBlock& from, const ExchangeBlock& to) {
  const auto copy_vectors = [&](const auto& sources, const auto& targets) {
    for (std::size_t index = 0; index < targets.size(); ++index) {
      if (!targets[index].is_null()) {
        tensors.copy_activations(sources[index], targets[index]);
      }
    }
  };
  copy_vectors(from.of_queries, to.of_queries);
  copy_vectors(from.of_keys, to.of_keys);
  for (std::size_t index = 0; index < to.of_rows.size(); ++index) {
    if (!to.of_rows[index].is_null()) {
      tensors.copy_strided<float>(from.of_rows[index], to.of_rows[index]);
    }
  }
  if (!to.document_ids.is_null()) {
    tensors.copy_strided<std::int32_t>(from.document_ids, to.document_ids);
  }
}

std::int64_t exchange_distance(const AttentionProblem& problem, ExchangeCargo cargo, std::int64_t tokens) {
  const std::int64_t bytes = exchange_block_bytes(problem, cargo, tokens);
  return (bytes + message_alignment - 1) / message_alignment * message_alignment;
}

SequenceTraffic exchange_traffic(const AttentionProblem& problem, const Partition& partition, AttentionPass pass,
                                 std::int64_t rank, const std::vector<int>& nodes, std::int64_t groups) {
  SequenceTraffic traffic;
  const std::int64_t ulysses = partition.ulysses();
  if (ulysses == 1) {
    return traffic;
  }
  const AttentionProblem exchanged = exchanged_problem(problem, ulysses, groups);
  const std::int64_t first = rank - rank % ulysses;
  for (const ExchangeCargo cargo : all_cargos) {
    if (!is_of(cargo, pass)) {
      continue;
    }
    Traffic& sent = cargo == ExchangeCargo::gradients ? traffic.gradients : traffic.operands;
    sent.hops += groups;
    for (std::int64_t other = first; other < first + ulysses; ++other) {
      const std::int64_t tokens = partition.tokens(is_on_the_way_back(cargo) ? other : rank);
      const std::int64_t bytes = other == rank ? 0 : groups * exchange_block_bytes(exchanged, cargo, tokens);
      sent.bytes += bytes;
      sent.messages += bytes > 0 ? groups : 0;
      if (!nodes.empty() && nodes[static_cast<std::size_t>(other)] != nodes[static_cast<std::size_t>(rank)]) {
        sent.bytes_between_nodes += bytes;
      }
    }
  }
  return traffic;
}

std::int64_t exchange_group_bytes(const AttentionProblem& problem, std::int64_t ulysses, AttentionPass pass,
                                  std::int64_t tokens, std::int64_t groups) {
  if (ulysses == 1) {
    return 0;
  }
  const AttentionProblem exchanged = exchanged_problem(problem, ulysses, groups);
  std::int64_t longest = 0;
  for (const ExchangeCargo cargo : all_cargos) {
    // A backward pass follows a forward pass, whatever is timed.
    if (is_forward(cargo) || pass != AttentionPass::forward) {
      longest = std::max(longest, exchange_distance(exchanged, cargo, tokens));
    }
  }
  return 2 * ulysses * longest;
}

std::int64_t exchange_arena_bytes(const AttentionProblem& problem, std::int64_t ulysses, AttentionPass pass,
                                  std::int64_t tokens, std::int64_t groups) {
  return groups_in_memory(groups) * exchange_group_bytes(problem, ulysses, pass, tokens, groups);
}

}  // namespace ringworld
