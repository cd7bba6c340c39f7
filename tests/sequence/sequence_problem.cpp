#include "sequence/sequence_problem.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <tuple>

namespace ringworld::test {
namespace {

constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

std::vector<std::int64_t> tokens_of(const Partition& partition, std::int64_t rank) {
  std::vector<std::int64_t> tokens;
  for (const TokenRun& run : partition.runs(rank)) {
    for (std::int64_t index = 0; index < run.count; ++index) {
      tokens.push_back(run.token + index * run.stride);
    }
  }
  return tokens;
}

Partition partition_of(const SequenceCase& sequence_case, std::int64_t ranks) {
  const SequenceAttentionOptions& options = sequence_case.options;
  return {options.layout, options.problem.context_length, ranks, options.schedule.ulysses};
}

/// (B, S)
std::vector<std::int32_t> document_ids(const SequenceCase& sequence_case, std::int64_t ranks) {
  const std::int64_t length = sequence_case.options.problem.context_length;
  std::vector<bool> is_of_last_rank(static_cast<std::size_t>(length), false);
  for (const std::int64_t token : tokens_of(partition_of(sequence_case, ranks), ranks - 1)) {
    is_of_last_rank[static_cast<std::size_t>(token)] = true;
  }
  const auto id_of = [&](std::int64_t b, std::int64_t t) -> std::int64_t {
    switch (sequence_case.documents) {
      case Documents::none:
      case Documents::one_token:
        return t;
      case Documents::several: {
        const bool is_padding = t % 11 == 3 || 10 * t >= 9 * length + 10;
        return is_padding ? -1 - t % 2 : static_cast<std::int64_t>(std::sqrt(static_cast<double>(t + 5 * b)));
      }
      case Documents::padded_rank:
        return is_of_last_rank[static_cast<std::size_t>(t)] ? -1 : t / 9;
      case Documents::padding:
        return -1;
    }
    return 0;
  };
  std::vector<std::int32_t> ids;
  for (std::int64_t b = 0; b < sequence_case.options.problem.batch; ++b) {
    for (std::int64_t t = 0; t < length; ++t) {
      ids.push_back(static_cast<std::int32_t>(id_of(b, t)));
    }
  }
  return ids;
}

/// Calls `function(flat index among `length` tokens, flat local index)` for a (B, T, heads, D) tensor of this rank.
template <class Function>
void for_each_local(const std::vector<std::int64_t>& tokens, std::int64_t batch, std::int64_t length,
                    std::int64_t row_elements, Function&& function) {
  const auto local_tokens = static_cast<std::int64_t>(tokens.size());
  for (std::int64_t b = 0; b < batch; ++b) {
    for (std::int64_t t = 0; t < local_tokens; ++t) {
      for (std::int64_t e = 0; e < row_elements; ++e) {
        function(static_cast<std::size_t>((b * length + tokens[static_cast<std::size_t>(t)]) * row_elements + e),
                 static_cast<std::size_t>((b * local_tokens + t) * row_elements + e));
      }
    }
  }
}

void append_bits(std::vector<std::byte>& bits, const void* data, std::size_t bytes) {
  const auto* begin = static_cast<const std::byte*>(data);
  bits.insert(bits.end(), begin, begin + bytes);
}

std::array<std::int64_t, 4> query_shape(const SequenceCase& sequence_case, std::size_t tokens) {
  const AttentionProblem& problem = sequence_case.options.problem;
  return {problem.batch, static_cast<std::int64_t>(tokens), problem.heads, problem.head_size};
}

std::array<std::int64_t, 4> key_shape(const SequenceCase& sequence_case, std::size_t tokens) {
  const AttentionProblem& problem = sequence_case.options.problem;
  return {problem.batch, static_cast<std::int64_t>(tokens), problem.kv_heads, problem.head_size};
}

std::array<std::int64_t, 3> row_shape(const SequenceCase& sequence_case, std::size_t tokens) {
  const AttentionProblem& problem = sequence_case.options.problem;
  return {problem.batch, problem.heads, static_cast<std::int64_t>(tokens)};
}

}  // namespace

const char* name_of(Documents documents) {
  constexpr std::array names{"none", "one_token", "several", "padded_rank", "padding"};
  return names[static_cast<std::size_t>(documents)];
}

void PrintTo(const SequenceCase& sequence_case, std::ostream* stream) {
  const SequenceAttentionOptions& options = sequence_case.options;
  const AttentionProblem& problem = options.problem;
  const char* rotation = !options.backward_rotation                           ? "auto"
                         : *options.backward_rotation == BackwardRotation::kv ? "kv"
                                                                              : "q";
  *stream << fmt::format("{} {} {} {} causal={} rotation={} S={} B={} H={} Hkv={} D={} {} wire {} documents {}",
                         describe(options.schedule), name_of(options.backend), name_of(sequence_case.transport),
                         name_of(options.layout), options.is_causal, rotation, problem.context_length, problem.batch,
                         problem.heads, problem.kv_heads, problem.head_size, name_of(problem.dtype),
                         name_of(problem.wire_dtype), name_of(sequence_case.documents));
}

SequenceCase make_case(std::int64_t context_length, std::int64_t heads, std::int64_t kv_heads) {
  SequenceCase sequence_case;
  sequence_case.options.problem = {
      .context_length = context_length, .batch = 1, .heads = heads, .kv_heads = kv_heads, .head_size = 16};
  return sequence_case;
}

bool is_built(Backend backend) {
  try {
    static_cast<void>(make_block_attention(backend, {.head_size = 16, .scale = 1.0F}));
  } catch (const Error&) {
    return false;
  }
  return true;
}

SequenceProblem::SequenceProblem(const Ring& ring, const SequenceCase& sequence_case)
    : ring_(ring),
      case_(sequence_case),
      tokens_(tokens_of(partition_of(sequence_case, ring.size()), ring.rank())),
      q_(sequence_case.options.problem.dtype, query_shape(sequence_case, tokens_.size())),
      k_(sequence_case.options.problem.dtype, key_shape(sequence_case, tokens_.size())),
      v_(sequence_case.options.problem.dtype, key_shape(sequence_case, tokens_.size())),
      dout_(sequence_case.options.problem.dtype, query_shape(sequence_case, tokens_.size())),
      document_ids_({sequence_case.options.problem.batch, static_cast<std::int64_t>(tokens_.size())}),
      out_(sequence_case.options.problem.dtype, query_shape(sequence_case, tokens_.size())),
      maximum_(row_shape(sequence_case, tokens_.size())),
      sum_(row_shape(sequence_case, tokens_.size())),
      delta_(row_shape(sequence_case, tokens_.size())),
      dq_(query_shape(sequence_case, tokens_.size())),
      dk_(key_shape(sequence_case, tokens_.size())),
      dv_(key_shape(sequence_case, tokens_.size())) {
  global_.q = draw(q_.view(), 0);
  global_.k = draw(k_.view(), 1);
  global_.v = draw(v_.view(), 2);
  global_.dout = draw(dout_.view(), 3);
  if (case_.documents != Documents::none) {
    global_.document_ids = document_ids(case_, ring.size());
    for_each_local(
        tokens_, case_.options.problem.batch, case_.options.problem.context_length, 1,
        [&](std::size_t global, std::size_t local) { document_ids_.values()[local] = global_.document_ids[global]; });
  }
}

std::vector<double> SequenceProblem::draw(const ActivationView& local, std::uint64_t stream) const {
  const AttentionProblem& problem = case_.options.problem;
  ActivationTensor whole(local.dtype, {problem.batch, problem.context_length, local.heads(), local.head_size()});
  fill_normal(whole.view(), 2024, stream);
  with_type(local.dtype, [&](auto element) {
    using T = decltype(element);
    const auto* from = static_cast<const T*>(whole.view().data);
    auto* to = static_cast<T*>(local.data);
    for_each_local(tokens_, problem.batch, problem.context_length, local.heads() * local.head_size(),
                   [&](std::size_t global, std::size_t here) { to[here] = from[global]; });
  });
  return to_doubles(ConstActivationView(whole.view()));
}

namespace {

std::int64_t bytes_of(const ActivationView& view) { return view.size() * size_of(view.dtype); }

template <class T, std::size_t N>
std::int64_t bytes_of(const TensorView<T, N>& view) {
  return view.size() * static_cast<std::int64_t>(sizeof(T));
}

}  // namespace

template <class View>
View SequenceProblem::place(View view) {
  if (kind() == DeviceKind::host) {
    return view;
  }
  auto found = std::ranges::find(copies_, static_cast<void*>(view.data), &Copy::host);
  if (found == copies_.end()) {
    found = copies_.insert(copies_.end(), {view.data, Buffer(bytes_of(view), kind())});
    device(kind()).copy(found->memory.data(), view.data, bytes_of(view), device(kind()).compute_stream());
  }
  view.data = static_cast<decltype(view.data)>(found->memory.data());
  return view;
}

void SequenceProblem::send() {
  for (const Copy& copy : copies_) {
    device(kind()).copy(copy.memory.data(), copy.host, copy.memory.bytes(), device(kind()).compute_stream());
  }
}

void SequenceProblem::fetch() {
  for (const Copy& copy : copies_) {
    device(kind()).copy(copy.host, copy.memory.data(), copy.memory.bytes(), device(kind()).compute_stream());
  }
  device(kind()).compute_stream().synchronize();
}

void SequenceProblem::spoil_padding(float value) {
  for (const ActivationView& tensor : {q_.view(), k_.view(), v_.view(), dout_.view()}) {
    with_type(tensor.dtype, [&](auto element) {
      const auto typed = tensor.as<decltype(element)>();
      for (std::int64_t b = 0; b < tensor.batch(); ++b) {
        for (std::int64_t t = 0; t < tensor.tokens(); ++t) {
          for (std::int64_t e = 0; document_ids_.view()(b, t) < 0 && e < tensor.heads() * tensor.head_size(); ++e) {
            typed(b, t, e / tensor.head_size(), e % tensor.head_size()) = decltype(element)(value);
          }
        }
      }
    });
  }
}

SequenceForward SequenceProblem::forward_pass() {
  SequenceForward pass{.q = place(q_.view()),
                       .k = place(k_.view()),
                       .v = place(v_.view()),
                       .document_ids = {},
                       .out = place(out_.view()),
                       .maximum = place(maximum_.view()),
                       .sum = place(sum_.view())};
  if (case_.documents != Documents::none) {
    pass.document_ids = place(document_ids_.view());
  }
  return pass;
}

SequenceBackward SequenceProblem::backward_pass() {
  return {.q = place(q_.view()),
          .k = place(k_.view()),
          .v = place(v_.view()),
          .document_ids = forward_pass().document_ids,
          .out = place(out_.view()),
          .maximum = place(maximum_.view()),
          .sum = place(sum_.view()),
          .dout = place(dout_.view()),
          .delta = place(delta_.view()),
          .dq = place(dq_.view()),
          .dk = place(dk_.view()),
          .dv = place(dv_.view())};
}

void SequenceProblem::run(SequenceAttention& attention, const PassOptions& rotation) {
  with_type(case_.options.problem.dtype, [&](auto element) {
    for_each_element(out_.view().as<decltype(element)>(),
                     [](std::uint64_t, auto& value) { value = static_cast<decltype(element)>(not_a_number); });
  });
  for (const auto values :
       {maximum_.values(), sum_.values(), delta_.values(), dq_.values(), dk_.values(), dv_.values()}) {
    std::ranges::fill(values, not_a_number);
  }
  send();
  attention.forward(forward_pass(), rotation);
  if (case_.options.pass != AttentionPass::forward) {
    attention.backward(backward_pass(), rotation);
  }
}

SequenceResults SequenceProblem::gather() {
  fetch();
  const AttentionProblem& problem = case_.options.problem;
  const std::int64_t length = problem.context_length;
  // Every token is one rank's: what the others add is 0.
  const auto collect = [&](const std::vector<double>& local, std::int64_t batch, std::int64_t row_elements) {
    std::vector<double> whole(static_cast<std::size_t>(batch * length * row_elements), 0.0);
    for_each_local(tokens_, batch, length, row_elements,
                   [&](std::size_t global, std::size_t here) { whole[global] = local[here]; });
    ring_.communicator().all_reduce(whole, Reduction::sum);
    return whole;
  };
  const std::int64_t query_row = problem.heads * problem.head_size;
  const std::int64_t key_row = problem.kv_heads * problem.head_size;
  SequenceResults results;
  results.out = collect(to_doubles(ConstActivationView(out_.view())), problem.batch, query_row);
  std::vector<double> lse = to_doubles(maximum_.view());
  std::ranges::transform(lse, to_doubles(sum_.view()), lse.begin(),
                         [](double maximum, double sum) { return maximum + std::log(sum); });
  results.lse = collect(lse, problem.batch * problem.heads, 1);
  if (case_.options.pass != AttentionPass::forward) {
    results.dq = collect(to_doubles(dq_.view()), problem.batch, query_row);
    results.dk = collect(to_doubles(dk_.view()), problem.batch, key_row);
    results.dv = collect(to_doubles(dv_.view()), problem.batch, key_row);
  }
  return results;
}

std::vector<std::byte> SequenceProblem::result_bits() {
  fetch();
  std::vector<std::byte> bits;
  const auto out = ConstActivationView(out_.view());
  append_bits(bits, out.data, static_cast<std::size_t>(out.size() * size_of(out.dtype)));
  append_bits(bits, maximum_.values().data(), maximum_.values().size_bytes());
  append_bits(bits, sum_.values().data(), sum_.values().size_bytes());
  for (const auto* gradient : {&dq_, &dk_, &dv_}) {
    append_bits(bits, gradient->values().data(), gradient->values().size_bytes());
  }
  return bits;
}

bool SequenceProblem::guards_are_intact() const {
  return out_.guards_are_intact() && maximum_.guards_are_intact() && sum_.guards_are_intact() &&
         delta_.guards_are_intact() && dq_.guards_are_intact() && dk_.guards_are_intact() && dv_.guards_are_intact();
}

SequenceResults SequenceProblem::compute_expected() const {
  const AttentionProblem& problem = case_.options.problem;
  const DenseAttention dense{
      .batch = problem.batch,
      .query_tokens = problem.context_length,
      .key_tokens = problem.context_length,
      .heads = problem.heads,
      .kv_heads = problem.kv_heads,
      .head_size = problem.head_size,
      .scale = 1.0 / std::sqrt(static_cast<double>(problem.head_size)),
      .is_visible = whole_sequence(problem.context_length, case_.options.is_causal, global_.document_ids),
      .q = global_.q,
      .k = global_.k,
      .v = global_.v};
  DenseOutput output = dense_forward(dense);
  DenseGradients gradients = dense_backward(dense, global_.dout);
  return {.out = std::move(output.out),
          .lse = std::move(output.lse),
          .dq = std::move(gradients.dq),
          .dk = std::move(gradients.dk),
          .dv = std::move(gradients.dv)};
}

const SequenceResults& SequenceProblem::expected() const {
  // The oracle does not depend on layout, rotation or backend: each is worked out once, by the root.
  using Key = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t, std::int64_t, DType, bool, Documents,
                         std::vector<std::int32_t>>;
  static std::map<Key, SequenceResults> known;
  const AttentionProblem& problem = case_.options.problem;
  const Key key{problem.context_length,  problem.batch,     problem.heads,
                problem.kv_heads,        problem.head_size, problem.dtype,
                case_.options.is_causal, case_.documents,   global_.document_ids};
  const auto found = known.find(key);
  // Ranks may have met different cases before, in rings of their own.
  if (ring_.communicator().all_agree(found != known.end())) {
    return found->second;
  }
  SequenceResults results;
  if (ring_.communicator().is_root()) {
    results = compute_expected();
  } else {
    results = {.out = global_.q, .lse = {}, .dq = global_.q, .dk = global_.k, .dv = global_.k};
    results.lse.resize(static_cast<std::size_t>(problem.batch * problem.heads * problem.context_length));
  }
  for (auto* values : {&results.out, &results.lse, &results.dq, &results.dk, &results.dv}) {
    ring_.communicator().broadcast(std::as_writable_bytes(std::span(*values)), 0);
  }
  return known[key] = std::move(results);
}

void expect_equals_dense(const SequenceResults& actual, const SequenceResults& expected,
                         const SequenceCase& sequence_case) {
  const AttentionProblem& problem = sequence_case.options.problem;
  const bool is_rounded = problem.dtype == DType::bfloat16 || problem.wire_dtype == DType::bfloat16;
  // `out` is written in the problem's type, and gradients are worked out from it.
  const Tolerance tolerance = is_rounded ? rounded_to_bf16 : computed_in_fp32;
  const Tolerance of_lse =
      problem.dtype == problem.wire_dtype ? tolerance_of(sequence_case.options.backend, problem.dtype) : tolerance;
  EXPECT_TRUE(is_close("out", actual.out, expected.out, tolerance, smallest_output));
  EXPECT_TRUE(is_close("lse", actual.lse, expected.lse, of_lse, smallest_output));
  if (sequence_case.options.pass == AttentionPass::forward) {
    return;
  }
  EXPECT_TRUE(is_close("dq", actual.dq, expected.dq, tolerance, smallest_gradient));
  EXPECT_TRUE(is_close("dk", actual.dk, expected.dk, tolerance, smallest_gradient));
  EXPECT_TRUE(is_close("dv", actual.dv, expected.dv, tolerance, smallest_gradient));
}

}  // namespace ringworld::test
