#include "kernels/attention/block_problem.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

#include "core/error.hpp"
#include "kernels/attention/device_attention.hpp"
#include "support/available_device.hpp"

namespace ringworld::test {

std::vector<Backend> tested_backends() { return {Backend::reference, Backend::kokkos, Backend::host, Backend::cuda}; }

std::string why_not_tested(Backend backend) {
  if (std::string reason = why_unavailable(backend); !reason.empty()) {
    return reason;
  }
  try {
    static_cast<void>(make_block_attention(backend, {.head_size = 16}));
    return {};
  } catch (const Error& error) {
    if (std::string_view(error.what()).find("not in this build") != std::string_view::npos) {
      return error.what();
    }
    throw;
  }
}

std::unique_ptr<BlockAttention> make_attention(Backend backend, const BlockAttentionOptions& options) {
  auto attention = make_block_attention(backend, options);
  const DeviceKind kind = device_of(backend);
  return kind == DeviceKind::host ? std::move(attention) : on_device(std::move(attention), kind);
}

BlockMask causal_mask(std::int64_t diagonal) {
  BlockMask mask;
  mask.is_causal = true;
  mask.diagonal = diagonal;
  return mask;
}

BlockOperands BlockOperands::key_range(std::int64_t begin, std::int64_t count) const {
  BlockOperands part = *this;
  part.k = k.token_range(begin, count);
  part.v = v.token_range(begin, count);
  if (mask.is_causal) {
    part.mask.diagonal = mask.diagonal - begin;
  }
  if (mask.has_documents()) {
    part.mask.key_document_ids = mask.key_document_ids.slice(1, begin, count);
  }
  return part;
}

ForwardBlock forward_block(const BlockOperands& operands) {
  return {.q = operands.q, .k = operands.k, .v = operands.v, .mask = operands.mask};
}

void run_forward(BlockAttention& attention, const BlockOperands& operands, const BlockResults& results,
                 std::int64_t parts) {
  attention.reset(results.state);
  std::int64_t left = parts;
  for_each_part(operands, parts, [&](const BlockOperands& part, std::int64_t /*begin*/) {
    const ActivationView out = --left == 0 ? results.out : ActivationView();
    EXPECT_TRUE(attention.accumulate(forward_block(part), results.state, out, {}));
  });
}

BackwardBlock backward_block(const BlockOperands& operands, const BlockResults& results) {
  return {.q = operands.q,
          .k = operands.k,
          .v = operands.v,
          .dout = operands.dout,
          .maximum = results.state.maximum,
          .sum = results.state.sum,
          .delta = results.delta,
          .mask = operands.mask};
}

void run_backward(BlockAttention& attention, const BlockOperands& operands, const BlockResults& results,
                  std::int64_t parts) {
  attention.output_dot_gradient(results.out, operands.dout, results.delta);
  for_each_part(operands, parts, [&](const BlockOperands& part, std::int64_t begin) {
    const BlockGradients gradients{.dq = results.gradients.dq,
                                   .dk = results.gradients.dk.slice(1, begin, part.k.tokens()),
                                   .dv = results.gradients.dv.slice(1, begin, part.k.tokens()),
                                   .overwrites_keys = results.gradients.overwrites_keys};
    EXPECT_TRUE(attention.backward(backward_block(part, results), gradients, {}));
  });
}

ExpectedBlock expected_of(const BlockOperands& operands, float scale) {
  const BlockMask mask = operands.mask;
  const DenseAttention problem{.batch = operands.q.batch(),
                               .query_tokens = operands.q.tokens(),
                               .key_tokens = operands.k.tokens(),
                               .heads = operands.q.heads(),
                               .kv_heads = operands.k.heads(),
                               .head_size = operands.q.head_size(),
                               .scale = static_cast<double>(scale),
                               .is_visible =
                                   [mask](std::int64_t b, std::int64_t i, std::int64_t j) {
                                     const bool is_below = !mask.is_causal || j - i <= mask.diagonal;
                                     const bool is_same_document =
                                         !mask.has_documents() ||
                                         (mask.query_document_ids(b, i) >= 0 && mask.key_document_ids(b, j) >= 0 &&
                                          mask.query_document_ids(b, i) == mask.key_document_ids(b, j));
                                     return is_below && is_same_document;
                                   },
                               .q = to_doubles(operands.q),
                               .k = to_doubles(operands.k),
                               .v = to_doubles(operands.v)};
  return {.output = dense_forward(problem), .gradients = dense_backward(problem, to_doubles(operands.dout))};
}

void expect_forward(const BlockResults& results, const ExpectedBlock& expected, Tolerance tolerance) {
  EXPECT_TRUE(
      is_close("out", to_doubles(ConstActivationView(results.out)), expected.output.out, tolerance, smallest_output));
  std::vector<double> lse = to_doubles(results.state.maximum);
  std::ranges::transform(lse, to_doubles(results.state.sum), lse.begin(),
                         [](double maximum, double sum) { return maximum + std::log(sum); });
  EXPECT_TRUE(is_close("lse", lse, expected.output.lse, tolerance, smallest_output));
}

void expect_backward(const BlockResults& results, const ExpectedBlock& expected, Tolerance tolerance) {
  EXPECT_TRUE(is_close("dq", to_doubles(results.gradients.dq), expected.gradients.dq, tolerance, smallest_gradient));
  EXPECT_TRUE(is_close("dk", to_doubles(results.gradients.dk), expected.gradients.dk, tolerance, smallest_gradient));
  EXPECT_TRUE(is_close("dv", to_doubles(results.gradients.dv), expected.gradients.dv, tolerance, smallest_gradient));
}

namespace {

constexpr std::uint64_t seed = 20240213;

float untouched() { return Tensor<float, 1>::guard(); }

/// What memory of a state's output may hold before the first key: a kernel that reads it shows it.
constexpr float unwritten = std::numeric_limits<float>::quiet_NaN();

}  // namespace

BlockProblem::BlockProblem(const BlockCase& c)
    : case_(c),
      q_(c.query_dtype, {c.batch, c.query_tokens, c.heads, c.head_size}),
      k_(c.key_dtype, {c.batch, c.key_tokens, c.kv_heads, c.head_size}),
      v_(c.key_dtype, {c.batch, c.key_tokens, c.kv_heads, c.head_size}),
      dout_(c.query_dtype, {c.batch, c.query_tokens, c.heads, c.head_size}),
      query_document_ids_({c.batch, c.query_tokens}),
      key_document_ids_({c.batch, c.key_tokens}),
      maximum_({c.batch, c.heads, c.query_tokens}, untouched()),
      sum_({c.batch, c.heads, c.query_tokens}, untouched()),
      output_({c.batch, c.heads, c.query_tokens, c.head_size}, unwritten),
      out_(DType::float32, {c.batch, c.query_tokens, c.heads, c.head_size}),
      delta_({c.batch, c.heads, c.query_tokens}, untouched()),
      dq_({c.batch, c.query_tokens, c.heads, c.head_size}),
      dk_({c.batch, c.key_tokens, c.kv_heads, c.head_size}, c.overwrites_keys ? untouched() : 0.0F),
      dv_({c.batch, c.key_tokens, c.kv_heads, c.head_size}, c.overwrites_keys ? untouched() : 0.0F) {
  fill_normal(q_.view(), seed, 0);
  fill_normal(k_.view(), seed, 1);
  fill_normal(v_.view(), seed, 2);
  fill_normal(dout_.view(), seed, 3);
  if (c.query_document) {
    for (std::int64_t b = 0; b < c.batch; ++b) {
      for (std::int64_t t = 0; t < c.query_tokens; ++t) {
        query_document_ids_.view()(b, t) = c.query_document(b, t);
      }
      for (std::int64_t t = 0; t < c.key_tokens; ++t) {
        key_document_ids_.view()(b, t) = c.key_document(b, t);
      }
    }
  }
}

BlockOperands BlockProblem::operands() {
  BlockMask mask = case_.diagonal ? causal_mask(*case_.diagonal) : BlockMask{};
  if (case_.query_document) {
    mask.query_document_ids = query_document_ids_.view();
    mask.key_document_ids = key_document_ids_.view();
  }
  return {.q = q(), .k = k(), .v = v(), .dout = dout(), .mask = mask};
}

BlockResults BlockProblem::results() {
  return {
      .state = {.maximum = maximum_.view(), .sum = sum_.view(), .output = output_.view()},
      .out = out_.view(),
      .delta = delta_.view(),
      .gradients = {.dq = dq_.view(), .dk = dk_.view(), .dv = dv_.view(), .overwrites_keys = case_.overwrites_keys}};
}

bool BlockProblem::guards_are_intact() const {
  return q_.guards_are_intact() && k_.guards_are_intact() && v_.guards_are_intact() && dout_.guards_are_intact() &&
         query_document_ids_.guards_are_intact() && key_document_ids_.guards_are_intact() &&
         maximum_.guards_are_intact() && sum_.guards_are_intact() && output_.guards_are_intact() &&
         out_.guards_are_intact() && delta_.guards_are_intact() && dq_.guards_are_intact() && dk_.guards_are_intact() &&
         dv_.guards_are_intact();
}

}  // namespace ringworld::test
