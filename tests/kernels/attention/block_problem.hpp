#pragma once
/// @file  One block of attention with its operands, results and oracle.

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "kernels/attention/attention.hpp"
#include "kernels/attention/tolerance.hpp"
#include "support/dense_attention.hpp"
#include "support/random_tensors.hpp"

namespace ringworld::test {

/// Backends that every test of the contract runs on; those that this build or this machine lacks are skipped.
[[nodiscard]] std::vector<Backend> tested_backends();

/// Why the backend cannot be tested here; empty when it can.
[[nodiscard]] std::string why_not_tested(Backend backend);

/// The backend's object, which takes tensors of the host wherever it computes.
[[nodiscard]] std::unique_ptr<BlockAttention> make_attention(Backend backend, const BlockAttentionOptions& options);

/// What a block reads.
struct BlockOperands {
  ConstActivationView q;
  ConstActivationView k;
  ConstActivationView v;
  ConstActivationView dout;
  BlockMask mask;

  /// The same queries, and the keys `begin <= j < begin + count`.
  [[nodiscard]] BlockOperands key_range(std::int64_t begin, std::int64_t count) const;
};

/// What a block writes.
struct BlockResults {
  AttentionState state;
  ActivationView out;
  TensorView<float, 3> delta;
  BlockGradients gradients;

  [[nodiscard]] double lse(std::int64_t b, std::int64_t h, std::int64_t i) const {
    return log_sum_exp(state.maximum(b, h, i), state.sum(b, h, i));
  }
};

/// A backward block of these operands, with what the forward pass left in `results`.
[[nodiscard]] BackwardBlock backward_block(const BlockOperands& operands, const BlockResults& results);

[[nodiscard]] ForwardBlock forward_block(const BlockOperands& operands);

/// Calls `function(operands of the part, its first key)` for `parts` ranges of keys, the last ones first: the order
/// must not matter.
template <class Function>
void for_each_part(const BlockOperands& operands, std::int64_t parts, Function&& function) {
  const std::int64_t tokens = operands.k.tokens();
  for (std::int64_t part = parts; part-- > 0;) {
    const std::int64_t begin = tokens * part / parts;
    function(operands.key_range(begin, tokens * (part + 1) / parts - begin), begin);
  }
}

/// reset, accumulate over `parts` ranges of keys, of which the last one writes the results.
void run_forward(BlockAttention& attention, const BlockOperands& operands, const BlockResults& results,
                 std::int64_t parts = 1);

/// output_dot_gradient, backward over `parts` ranges of keys; needs the results of run_forward.
void run_backward(BlockAttention& attention, const BlockOperands& operands, const BlockResults& results,
                  std::int64_t parts = 1);

struct ExpectedBlock {
  DenseOutput output;
  DenseGradients gradients;
};

/// The dense oracle on the very numbers that the operands hold.
[[nodiscard]] ExpectedBlock expected_of(const BlockOperands& operands, float scale);

/// Compares out, lse and gradients.
void expect_forward(const BlockResults& results, const ExpectedBlock& expected, Tolerance tolerance);
void expect_backward(const BlockResults& results, const ExpectedBlock& expected, Tolerance tolerance);

/// The mask that a diagonal makes, without documents.
[[nodiscard]] BlockMask causal_mask(std::int64_t diagonal);

/// Document of token t in batch row b.
using DocumentOf = std::function<std::int32_t(std::int64_t b, std::int64_t t)>;

/// One point of the tests.
struct BlockCase {
  std::string name{};
  std::int64_t batch = 1;
  std::int64_t query_tokens = 67;
  std::int64_t key_tokens = 129;
  std::int64_t heads = 2;
  std::int64_t kv_heads = 2;
  std::int64_t head_size = 16;
  DType query_dtype = DType::float32;
  DType key_dtype = DType::float32;
  std::optional<std::int64_t> diagonal{};  ///< none = not causal
  DocumentOf query_document{};             ///< none = no documents
  DocumentOf key_document{};
  std::int64_t parts = 1;
  bool overwrites_keys = false;  ///< dk and dv begin as guard values

  [[nodiscard]] float scale() const { return 1.0F / std::sqrt(static_cast<float>(head_size)); }
  [[nodiscard]] DType narrowest() const { return query_dtype == key_dtype ? query_dtype : DType::bfloat16; }

  friend void PrintTo(const BlockCase& block_case, std::ostream* stream) { *stream << block_case.name; }
};

/// Owns dense tensors for a case: random operands, results full of guard values, gradients of zeros.
class BlockProblem {
 public:
  explicit BlockProblem(const BlockCase& c);

  [[nodiscard]] ActivationView q() { return q_.view(); }
  [[nodiscard]] ActivationView k() { return k_.view(); }
  [[nodiscard]] ActivationView v() { return v_.view(); }
  [[nodiscard]] ActivationView dout() { return dout_.view(); }
  [[nodiscard]] BlockOperands operands();
  [[nodiscard]] BlockResults results();
  [[nodiscard]] bool guards_are_intact() const;

 private:
  BlockCase case_;
  ActivationTensor q_;
  ActivationTensor k_;
  ActivationTensor v_;
  ActivationTensor dout_;
  Tensor<std::int32_t, 2> query_document_ids_;
  Tensor<std::int32_t, 2> key_document_ids_;
  Tensor<float, 3> maximum_;
  Tensor<float, 3> sum_;
  Tensor<float, 4> output_;
  ActivationTensor out_;
  Tensor<float, 3> delta_;
  Tensor<float, 4> dq_;
  Tensor<float, 4> dk_;
  Tensor<float, 4> dv_;
};

/// A test that runs once a backend.
class BackendTest : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (const std::string reason = why_not_tested(GetParam()); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
  }

  [[nodiscard]] static std::unique_ptr<BlockAttention> make(std::int64_t head_size, float scale) {
    return make_attention(GetParam(), {.head_size = head_size, .scale = scale});
  }
  [[nodiscard]] static std::unique_ptr<BlockAttention> make(std::int64_t head_size) {
    return make(head_size, 1.0F / std::sqrt(static_cast<float>(head_size)));
  }
};

/// Names a parameterised test after its backend.
[[nodiscard]] inline std::string backend_test_name(const ::testing::TestParamInfo<Backend>& info) {
  return std::string(name_of(info.param));
}

}  // namespace ringworld::test
