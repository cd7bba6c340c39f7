#include "support/dense_attention.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace ringworld::test {
namespace {

constexpr double minus_infinity = -std::numeric_limits<double>::infinity();

/// Where the vector of one token and head starts in a (B, T, heads, D) tensor.
std::size_t offset(std::int64_t tokens, std::int64_t heads, std::int64_t head_size, std::int64_t b, std::int64_t t,
                   std::int64_t h) {
  return static_cast<std::size_t>(((b * tokens + t) * heads + h) * head_size);
}

/// One query of one head: its weights over all keys.
struct Row {
  std::vector<double> weights;  ///< (Tk), 0 where not visible
  double lse = minus_infinity;
};

class Indexed {
 public:
  explicit Indexed(const DenseAttention& problem) : p_(problem) {}

  [[nodiscard]] std::size_t query(std::int64_t b, std::int64_t i, std::int64_t h) const {
    return offset(p_.query_tokens, p_.heads, p_.head_size, b, i, h);
  }
  [[nodiscard]] std::size_t key(std::int64_t b, std::int64_t j, std::int64_t h) const {
    return offset(p_.key_tokens, p_.kv_heads, p_.head_size, b, j, h * p_.kv_heads / p_.heads);
  }

  [[nodiscard]] double dot(const std::vector<double>& left, std::size_t at_left, const std::vector<double>& right,
                           std::size_t at_right) const {
    double sum = 0.0;
    for (std::size_t d = 0; d < static_cast<std::size_t>(p_.head_size); ++d) {
      sum += left[at_left + d] * right[at_right + d];
    }
    return sum;
  }

  void add(std::vector<double>& target, std::size_t at_target, double factor, const std::vector<double>& source,
           std::size_t at_source) const {
    for (std::size_t d = 0; d < static_cast<std::size_t>(p_.head_size); ++d) {
      target[at_target + d] += factor * source[at_source + d];
    }
  }

  [[nodiscard]] Row row(std::int64_t b, std::int64_t i, std::int64_t h) const {
    Row result{.weights = std::vector<double>(static_cast<std::size_t>(p_.key_tokens), minus_infinity)};
    for (std::int64_t j = 0; j < p_.key_tokens; ++j) {
      if (p_.is_visible(b, i, j)) {
        result.weights[static_cast<std::size_t>(j)] = p_.scale * dot(p_.q, query(b, i, h), p_.k, key(b, j, h));
      }
    }
    const double largest = std::ranges::max(result.weights);
    if (largest == minus_infinity) {
      std::ranges::fill(result.weights, 0.0);
      return result;
    }
    double sum = 0.0;
    for (double& weight : result.weights) {
      weight = std::exp(weight - largest);
      sum += weight;
    }
    for (double& weight : result.weights) {
      weight /= sum;
    }
    result.lse = largest + std::log(sum);
    return result;
  }

  /// Calls `function(b, h, i, row)` for each query and head.
  template <class Function>
  void for_each_row(Function&& function) const {
    if (p_.key_tokens == 0) {
      return;
    }
    for (std::int64_t b = 0; b < p_.batch; ++b) {
      for (std::int64_t h = 0; h < p_.heads; ++h) {
        for (std::int64_t i = 0; i < p_.query_tokens; ++i) {
          function(b, h, i, row(b, i, h));
        }
      }
    }
  }

 private:
  const DenseAttention& p_;
};

}  // namespace

Visibility whole_sequence(std::int64_t context_length, bool is_causal, std::vector<std::int32_t> document_ids) {
  return [=, documents = std::move(document_ids)](std::int64_t b, std::int64_t i, std::int64_t j) {
    if (is_causal && j > i) {
      return false;
    }
    if (documents.empty()) {
      return true;
    }
    const std::int32_t mine = documents[static_cast<std::size_t>(b * context_length + i)];
    return mine >= 0 && mine == documents[static_cast<std::size_t>(b * context_length + j)];
  };
}

DenseOutput dense_forward(const DenseAttention& problem) {
  DenseOutput result{
      .out = std::vector<double>(problem.q.size(), 0.0),
      .lse = std::vector<double>(static_cast<std::size_t>(problem.batch * problem.heads * problem.query_tokens),
                                 minus_infinity)};
  const Indexed at(problem);
  at.for_each_row([&](std::int64_t b, std::int64_t h, std::int64_t i, const Row& row) {
    result.lse[static_cast<std::size_t>((b * problem.heads + h) * problem.query_tokens + i)] = row.lse;
    for (std::int64_t j = 0; j < problem.key_tokens; ++j) {
      at.add(result.out, at.query(b, i, h), row.weights[static_cast<std::size_t>(j)], problem.v, at.key(b, j, h));
    }
  });
  return result;
}

DenseGradients dense_backward(const DenseAttention& problem, const std::vector<double>& dout) {
  DenseGradients result{.dq = std::vector<double>(problem.q.size(), 0.0),
                        .dk = std::vector<double>(problem.k.size(), 0.0),
                        .dv = std::vector<double>(problem.v.size(), 0.0)};
  const Indexed at(problem);
  at.for_each_row([&](std::int64_t b, std::int64_t h, std::int64_t i, const Row& row) {
    // Through the softmax: dS_ij = P_ij (dP_ij - sum over j' of P_ij' dP_ij'), with dP_ij = dout_i . v_j.
    std::vector<double> by_weight(row.weights.size());
    double mean = 0.0;
    for (std::int64_t j = 0; j < problem.key_tokens; ++j) {
      const auto column = static_cast<std::size_t>(j);
      by_weight[column] = at.dot(dout, at.query(b, i, h), problem.v, at.key(b, j, h));
      mean += row.weights[column] * by_weight[column];
    }
    for (std::int64_t j = 0; j < problem.key_tokens; ++j) {
      const auto column = static_cast<std::size_t>(j);
      const double by_product = problem.scale * row.weights[column] * (by_weight[column] - mean);
      at.add(result.dq, at.query(b, i, h), by_product, problem.k, at.key(b, j, h));
      at.add(result.dk, at.key(b, j, h), by_product, problem.q, at.query(b, i, h));
      at.add(result.dv, at.key(b, j, h), row.weights[column], dout, at.query(b, i, h));
    }
  });
  return result;
}

}  // namespace ringworld::test
