#pragma once
/// @file  Attention as the textbook has it, in double precision and with the whole matrix of weights of one head: what
/// kernels and rings are compared with. Shares no code with them.
///
///   P_ij = exp(scale q_i.k_j) / sum over visible j',  out_i = sum_j P_ij v_j,  lse_i = log of the denominator
///
/// Shapes: tensors are std::vector<double>, row major: q, out, dout, dq (B, Tq, H, D); k, v, dk, dv (B, Tk, Hkv, D);
/// lse (B, H, Tq). For a whole sequence Tq = Tk = S, in global token order.

#include <cstdint>
#include <functional>
#include <vector>

namespace ringworld::test {

/// Whether query i of batch b sees key j.
using Visibility = std::function<bool(std::int64_t b, std::int64_t i, std::int64_t j)>;

/// The mask of a whole sequence in global order.
/// @param document_ids (B, S) document of each token, negative = padding; empty = one document
[[nodiscard]] Visibility whole_sequence(std::int64_t context_length, bool is_causal,
                                        std::vector<std::int32_t> document_ids = {});

struct DenseAttention {
  std::int64_t batch = 1;
  std::int64_t query_tokens = 0;
  std::int64_t key_tokens = 0;
  std::int64_t heads = 1;
  std::int64_t kv_heads = 1;
  std::int64_t head_size = 0;
  double scale = 1.0;
  Visibility is_visible;
  std::vector<double> q;
  std::vector<double> k;
  std::vector<double> v;
};

struct DenseOutput {
  std::vector<double> out;
  std::vector<double> lse;  ///< -inf where a query sees no key; out is 0 there
};

struct DenseGradients {
  std::vector<double> dq;
  std::vector<double> dk;
  std::vector<double> dv;
};

[[nodiscard]] DenseOutput dense_forward(const DenseAttention& problem);

/// The gradients of sum(out * dout).
[[nodiscard]] DenseGradients dense_backward(const DenseAttention& problem, const std::vector<double>& dout);

}  // namespace ringworld::test
