#include "probe/verdict.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "core/error.hpp"
#include "core/thread_team.hpp"
#include "kernels/attention/attention.hpp"

namespace ringworld {
namespace {

constexpr std::array<std::string_view, 5> tensor_names{"out", "lse", "dq", "dk", "dv"};
constexpr std::array<std::string_view, 4> fault_texts{"is missed", "is counted twice", "is seen but must not be",
                                                      "holds other numbers than it should"};

/// How far numbers may be from the closed form.
struct Bounds {
  double out;        // of a value of out, relative: the result's own rounding
  double stair_out;  // the same where the weights are rounded, too
  double lse;        // of lse, absolute
  double gradient;   // of a sum's terms, relative: their roundings add up like independent ones

  static Bounds of(const AttentionProblem& problem) {
    // On a narrow wire the inputs are exact all the same; only a narrow memory rounds results.
    const bool is_fp32 = problem.dtype == DType::float32;
    const bool is_wide = is_fp32 && problem.wire_dtype == DType::float32;
    return {.out = is_fp32 ? 0x1.0p-18 : 0x1.0p-8,
            .stair_out = is_fp32 ? 0x1.0p-15 : 0x1.0p-6,
            .lse = 1e-4,
            .gradient = is_wide ? 0x1.0p-14 : 0x1.0p-6};
  }
};
constexpr double smallest_error = 1e-5;

std::int64_t rank_of(const Partition& partition, std::int64_t token) {
  for (std::int64_t rank = 0; rank < partition.ranks(); ++rank) {
    for (const Segment& run : partition.segments(rank)) {
      const std::int64_t place = token - run.token;
      if (place >= 0 && place % run.stride == 0 && place / run.stride < run.count) {
        return rank;
      }
    }
  }
  throw Error(ErrorKind::internal, "probe: a token that no rank holds");
}

/// Written so that NaN is outside.
bool is_within(double value, double expected, double bound) { return std::abs(value - expected) <= bound; }

/// What the softmax of each query of one head comes to, on any rank; half of the backward closed form.
struct QuerySums {
  double weights = 0;  // sum of exp(score)
  double delta = 0;    // out . dout
  double spread = 0;   // root of the sum of the squared terms of delta: what its rounding is relative to
};

QuerySums sums_of(const ProbeHead& head, std::int64_t query, std::span<float> dout) {
  QuerySums sums;
  const std::int64_t group = head.group_asked_by(query);
  head.groups().for_each_visible(group, query, head.is_causal(), [&](std::int64_t /*key*/, std::int64_t member) {
    sums.weights += head.weight_of(member);
  });
  head.write_gradient(query, head.gradient_factor(sums.weights), dout);
  double squares = 0;
  head.groups().for_each_visible(group, query, head.is_causal(), [&](std::int64_t key, std::int64_t member) {
    const double term =
        head.weight_of(member) * dout[static_cast<std::size_t>(head.value_entry(key))] * head.value(key);
    sums.delta += term;
    squares += term * term;
  });
  sums.delta /= sums.weights;
  sums.spread = std::sqrt(squares) / sums.weights;
  return sums;
}

/// Rows of one thread.
class Tally {
 public:
  void count(bool is_right) {
    ++rows_;
    wrong_rows_ += is_right ? 0 : 1;
  }
  [[nodiscard]] bool wants_finding() const { return !first_.has_value(); }
  void report(const ProbeFinding& finding) { first_ = finding; }

  [[nodiscard]] ProbeVerdict verdict() const { return {.rows = rows_, .wrong_rows = wrong_rows_, .first = first_}; }

 private:
  std::int64_t rows_ = 0;
  std::int64_t wrong_rows_ = 0;
  std::optional<ProbeFinding> first_;
};

/// A place of the tensors, and the numbers of its row in double.
struct Row {
  std::int64_t sequence;
  std::int64_t token;
  std::int64_t head;
  std::int64_t local;
};

class Checker {
 public:
  Checker(const Probe& probe, const Partition& partition, const Communicator& ranks, BackwardRotation rotation,
          int threads)
      : probe_(probe),
        problem_(probe.options().problem),
        partition_(partition),
        ranks_(ranks),
        rotation_(rotation),
        threads_(threads),
        bounds_(Bounds::of(problem_)) {}

  ProbeVerdict forward(const ProbeForwardResult& result) {
    for (std::int64_t b = 0; b < problem_.batch; ++b) {
      for (std::int64_t h = 0; h < problem_.heads; ++h) {
        const ProbeHead head = probe_.head(b, h);
        for_each_row(b, h, [&](Tally& tally, const Row& row) { check_out(head, result, row, tally); });
      }
    }
    return merge();
  }

  ProbeVerdict backward(const ProbeBackwardResult& result) {
    const std::int64_t group = problem_.heads / problem_.kv_heads;
    for (std::int64_t b = 0; b < problem_.batch; ++b) {
      for (std::int64_t kv_head = 0; kv_head < problem_.kv_heads; ++kv_head) {
        // Of one key head at a time: its gradients gather from all query heads that read it.
        std::vector<KeyShare> keys(static_cast<std::size_t>(partition_.tokens(ranks_.rank())));
        for (std::int64_t h = kv_head * group; h < (kv_head + 1) * group; ++h) {
          const ProbeHead head = probe_.head(b, h);
          const std::vector<QuerySums> queries = all_sums(head);
          for_each_row(b, h, [&](Tally& tally, const Row& row) { check_dq(head, queries, result, row, tally); });
          gather_keys(head, queries, keys);
        }
        const ProbeHead head = probe_.head(b, kv_head * group);
        for_each_row(b, kv_head, [&](Tally& tally, const Row& row) {
          check_key(head, keys[static_cast<std::size_t>(row.local)], result, row, tally);
        });
      }
    }
    return merge();
  }

 private:
  /// What a key's dk and dv should be.
  struct KeyShare {
    double common = 0;   // sum of dscore: what multiplies code and bias
    double squares = 0;  // of its terms
    double tag = 0;      // sum of dscore * tag of the query
    double tag_squares = 0;
    std::vector<double> dv;
    std::vector<double> dv_squares;
  };

  /// Calls `function(tally, row)` for the tokens that this rank holds.
  template <class Function>
  void for_each_row(std::int64_t b, std::int64_t h, Function&& function) {
    std::vector<Tally> tallies(static_cast<std::size_t>(threads_));
    run_team(threads_, [&](TeamMember member) {
      Tally& tally = tallies[static_cast<std::size_t>(member.index)];
      for (const Segment& run : partition_.segments(ranks_.rank())) {
        for (std::int64_t i = member.index; i < run.count; i += member.size) {
          function(tally,
                   Row{.sequence = b, .token = run.token + i * run.stride, .head = h, .local = run.token_local + i});
        }
      }
    });
    for (const Tally& tally : tallies) {
      mine_ += tally.verdict();
    }
  }

  [[nodiscard]] ProbeFinding finding(const ProbeHead& head, const Row& row, ProbeTensor tensor) const {
    return {.rank = ranks_.rank(),
            .sequence = row.sequence,
            .token = row.token,
            .head = row.head,
            .form = head.groups().form(),
            .tensor = tensor};
  }

  /// Names the key or query whose share is wrong.
  void blame(ProbeFinding& finding, std::int64_t other, ProbeFault fault) const {
    const bool is_key_row = finding.tensor == ProbeTensor::dk || finding.tensor == ProbeTensor::dv;
    finding.other = other;
    finding.fault = fault;
    finding.other_rank = rank_of(partition_, other);
    const std::int64_t query_rank = is_key_row ? finding.other_rank : finding.rank;
    const std::int64_t key_rank = is_key_row ? finding.rank : finding.other_rank;
    const bool do_keys_travel = rotation_ == BackwardRotation::kv;
    const std::int64_t hops = do_keys_travel ? query_rank - key_rank : key_rank - query_rank;
    finding.hop = (hops + ranks_.size()) % ranks_.size();
  }

  void check_out(const ProbeHead& head, const ProbeForwardResult& result, const Row& row, Tally& tally) const {
    const auto size = static_cast<std::size_t>(problem_.head_size);
    const bool is_stair = head.groups().form() == ProbeForm::stair;
    std::vector<double> expected(size);
    double weights = 0;
    const std::int64_t group = head.group_asked_by(row.token);
    head.groups().for_each_visible(group, row.token, head.is_causal(), [&](std::int64_t key, std::int64_t member) {
      const double weight = head.weight_of(member);
      weights += weight;
      expected[static_cast<std::size_t>(head.value_entry(key))] += weight * head.value(key);
    });
    std::vector<double> out(size);
    with_type(result.out.dtype, [&](auto type) {
      const auto* values = &result.out.as<decltype(type)>()(row.sequence, row.local, row.head, 0);
      std::ranges::transform(values, values + size, out.begin(),
                             [](auto value) { return static_cast<double>(static_cast<float>(value)); });
    });
    const double lse =
        log_sum_exp(result.maximum(row.sequence, row.head, row.local), result.sum(row.sequence, row.head, row.local));
    bool is_out_right = true;
    for (std::size_t d = 0; d < size; ++d) {
      const double exact = expected[d] / weights;
      is_out_right =
          is_out_right && is_within(out[d], exact, (is_stair ? bounds_.stair_out : bounds_.out) * exact + 1e-7);
    }
    const bool is_lse_right = is_within(lse, std::log(weights), bounds_.lse);
    tally.count(is_out_right && is_lse_right);
    if ((!is_out_right || !is_lse_right) && tally.wants_finding()) {
      ProbeFinding found = finding(head, row, is_out_right ? ProbeTensor::lse : ProbeTensor::out);
      decode(head, row, group, out, std::exp(lse), found);
      tally.report(found);
    }
  }

  /// Which member of the group makes out what it is: `out * sum` lists their values, each by its weight.
  void decode(const ProbeHead& head, const Row& row, std::int64_t group, const std::vector<double>& out, double sum,
              ProbeFinding& found) const {
    if (!std::isfinite(sum)) {
      return;
    }
    const auto share_of = [&](std::int64_t key, std::int64_t member) {
      return out[static_cast<std::size_t>(head.value_entry(key))] * sum / (head.weight_of(member) * head.value(key));
    };
    double largest = 0.25;
    head.groups().for_each_visible(group, head.groups().context_length(), false,
                                   [&](std::int64_t key, std::int64_t member) {
                                     const bool is_seen = !head.is_causal() || key <= row.token;
                                     const double share = share_of(key, member);
                                     const double error = std::abs(share - (is_seen ? 1.0 : 0.0));
                                     if (!(error > largest)) {
                                       return;
                                     }
                                     largest = error;
                                     const bool is_missed = is_seen && std::abs(share) < 0.25;
                                     const bool is_doubled = is_seen && std::abs(share - 2) < 0.5;
                                     const bool is_misplaced = !is_seen && std::abs(share - 1) < 0.25;
                                     blame(found, key,
                                           is_missed      ? ProbeFault::missed
                                           : is_doubled   ? ProbeFault::doubled
                                           : is_misplaced ? ProbeFault::misplaced
                                                          : ProbeFault::wrong);
                                   });
  }

  /// Of every query of the head, whoever holds it.
  [[nodiscard]] std::vector<QuerySums> all_sums(const ProbeHead& head) const {
    std::vector<QuerySums> sums(static_cast<std::size_t>(problem_.context_length));
    run_team(threads_, [&](TeamMember member) {
      std::vector<float> dout(static_cast<std::size_t>(problem_.head_size));
      for (std::int64_t query = member.index; query < problem_.context_length; query += member.size) {
        sums[static_cast<std::size_t>(query)] = sums_of(head, query, dout);
      }
    });
    return sums;
  }

  void check_dq(const ProbeHead& head, const std::vector<QuerySums>& queries, const ProbeBackwardResult& result,
                const Row& row, Tally& tally) const {
    const QuerySums& sums = queries[static_cast<std::size_t>(row.token)];
    std::vector<float> dout(static_cast<std::size_t>(problem_.head_size));
    head.write_gradient(row.token, head.gradient_factor(sums.weights), dout);
    // Code and bias are the same for all keys of the group, and dscores add up to 0: what is left is rounding.
    const std::int64_t group = head.group_asked_by(row.token);
    double squares = 0;
    double tag = 0;
    double tag_squares = 0;
    double tag_spread = 0;
    double step = 0;
    double step_squares = 0;
    double step_spread = 0;
    const auto dscore_of = [&](std::int64_t key, std::int64_t member) {
      const double probability = head.weight_of(member) / sums.weights;
      const double dprobability = dout[static_cast<std::size_t>(head.value_entry(key))] * head.value(key);
      return head.scale() * probability * (dprobability - sums.delta);
    };
    head.groups().for_each_visible(group, row.token, head.is_causal(), [&](std::int64_t key, std::int64_t member) {
      const double dscore = dscore_of(key, member);
      const double probability = head.scale() * head.weight_of(member) / sums.weights;
      const double key_tag = head.key_tag(key);
      const double key_step = head.key_step(member);
      squares += dscore * dscore;
      tag += dscore * key_tag;
      tag_squares += dscore * dscore * key_tag * key_tag;
      tag_spread += probability * key_tag;
      step += dscore * key_step;
      step_squares += dscore * dscore * key_step * key_step;
      step_spread += probability * key_step;
    });
    const std::int64_t bits = head.code_entries();
    const float* values = &result.dq(row.sequence, row.local, row.head, 0);
    const auto bound = [&](double term_squares, double spread) {
      return bounds_.gradient * std::sqrt(term_squares + spread * spread) + smallest_error;
    };
    const double common_bound = bound(squares, head.scale() * sums.spread);
    bool is_right = is_within(values[bits + 1], tag, bound(tag_squares, tag_spread * sums.spread)) &&
                    is_within(values[bits + 2], 0, 0) &&
                    is_within(values[bits + 3], step, bound(step_squares, step_spread * sums.spread));
    for (std::int64_t d = 0; d <= bits; ++d) {
      const double size = d < bits ? 32.0 : 32.0 * static_cast<double>(bits);
      is_right = is_right && is_within(values[d], 0, size * common_bound);
    }
    tally.count(is_right);
    if (!is_right && tally.wants_finding()) {
      ProbeFinding found = finding(head, row, ProbeTensor::dq);
      const double rest = values[bits] / (-32.0 * static_cast<double>(bits));
      head.groups().for_each_visible(group, row.token, head.is_causal(), [&](std::int64_t key, std::int64_t member) {
        const double share = rest / dscore_of(key, member);
        if (found.other < 0 && std::abs(std::abs(share) - 1) < 0.05) {
          blame(found, key, share < 0 ? ProbeFault::missed : ProbeFault::doubled);
        }
      });
      tally.report(found);
    }
  }

  /// Adds what the queries of one head give to the keys that this rank holds.
  void gather_keys(const ProbeHead& head, const std::vector<QuerySums>& queries, std::vector<KeyShare>& keys) const {
    const auto size = static_cast<std::size_t>(problem_.head_size);
    run_team(threads_, [&](TeamMember team) {
      std::vector<float> dout(size);
      for (const Segment& run : partition_.segments(ranks_.rank())) {
        for (std::int64_t i = team.index; i < run.count; i += team.size) {
          const std::int64_t key = run.token + i * run.stride;
          KeyShare& share = keys[static_cast<std::size_t>(run.token_local + i)];
          share.dv.resize(size);
          share.dv_squares.resize(size);
          const double weight = head.weight_of(head.groups().member_of(key));
          const auto entry = static_cast<std::size_t>(head.value_entry(key));
          for_each_asker(head, key, [&](std::int64_t query) {
            const QuerySums& sums = queries[static_cast<std::size_t>(query)];
            head.write_gradient(query, head.gradient_factor(sums.weights), dout);
            const double probability = weight / sums.weights;
            const double dscore =
                head.scale() * probability * (static_cast<double>(dout[entry]) * head.value(key) - sums.delta);
            const double spread = head.scale() * probability * sums.spread;
            const double term_squares = dscore * dscore + spread * spread;
            const double query_tag = head.query_tag(query);
            share.common += dscore;
            share.squares += term_squares;
            share.tag += dscore * query_tag;
            share.tag_squares += term_squares * query_tag * query_tag;
            for (std::size_t d = 0; d < size; ++d) {
              const double term = probability * static_cast<double>(dout[d]);
              share.dv[d] += term;
              share.dv_squares[d] += term * term;
            }
          });
        }
      }
    });
  }

  /// Calls `function(query)` for the queries that attend to `key`.
  template <class Function>
  void for_each_asker(const ProbeHead& head, std::int64_t key, Function&& function) const {
    const std::int64_t last = problem_.context_length;
    head.groups().for_each_visible(head.groups().group_of(key), last, false,
                                   [&](std::int64_t token, std::int64_t /*member*/) {
                                     if (head.is_causal() && head.queries().last_asker_of(token) < key) {
                                       return;
                                     }
                                     head.queries().for_each_asker(token, [&](std::int64_t query) {
                                       if (!head.is_causal() || query >= key) {
                                         function(query);
                                       }
                                     });
                                   });
  }

  void check_key(const ProbeHead& head, const KeyShare& share, const ProbeBackwardResult& result, const Row& row,
                 Tally& tally) const {
    const std::int64_t bits = head.code_entries();
    const std::int64_t group = head.groups().group_of(row.token);
    const float* dk = &result.dk(row.sequence, row.local, row.head, 0);
    const float* dv = &result.dv(row.sequence, row.local, row.head, 0);
    const double common_bound = bounds_.gradient * std::sqrt(share.squares) + smallest_error;
    bool is_dk_right =
        is_within(dk[bits], 32 * share.common, 32 * common_bound) && is_within(dk[bits + 1], 0, 0) &&
        is_within(dk[bits + 2], share.tag, bounds_.gradient * std::sqrt(share.tag_squares) + smallest_error) &&
        is_within(dk[bits + 3], head.query_step() * share.common, head.query_step() * common_bound);
    for (std::int64_t d = 0; d < bits; ++d) {
      is_dk_right = is_dk_right && is_within(dk[d], head.code(group, d) * share.common, 32 * common_bound);
    }
    bool is_dv_right = true;
    for (std::size_t d = 0; d < share.dv.size(); ++d) {
      is_dv_right = is_dv_right &&
                    is_within(dv[d], share.dv[d], bounds_.gradient * std::sqrt(share.dv_squares[d]) + smallest_error);
    }
    tally.count(is_dk_right && is_dv_right);
    if ((!is_dk_right || !is_dv_right) && tally.wants_finding()) {
      ProbeFinding found = finding(head, row, is_dv_right ? ProbeTensor::dk : ProbeTensor::dv);
      if (!is_dv_right) {
        decode_dv(share, dv, row, found);
      }
      tally.report(found);
    }
  }

  /// Which query's share makes dv what it is.
  void decode_dv(const KeyShare& share, const float* dv, const Row& row, ProbeFinding& found) const {
    std::vector<float> dout(share.dv.size());
    std::vector<double> rest(share.dv.size());
    double rest_squares = 0;
    for (std::size_t d = 0; d < rest.size(); ++d) {
      rest[d] = static_cast<double>(dv[d]) - share.dv[d];
      rest_squares += rest[d] * rest[d];
    }
    const std::int64_t group = problem_.heads / problem_.kv_heads;
    for (std::int64_t h = row.head * group; h < (row.head + 1) * group; ++h) {
      const ProbeHead head = probe_.head(row.sequence, h);
      const double weight = head.weight_of(head.groups().member_of(row.token));
      for_each_asker(head, row.token, [&](std::int64_t query) {
        const QuerySums sums = sums_of(head, query, dout);
        double product = 0;
        double squares = 0;
        for (std::size_t d = 0; d < rest.size(); ++d) {
          const double term = weight / sums.weights * static_cast<double>(dout[d]);
          product += rest[d] * term;
          squares += term * term;
        }
        const bool is_alike = std::abs(product) > 0.9 * std::sqrt(squares * rest_squares);
        if (found.other < 0 && is_alike && std::abs(std::abs(product) / squares - 1) < 0.1) {
          blame(found, query, product < 0 ? ProbeFault::missed : ProbeFault::doubled);
        }
      });
    }
  }

  /// The verdict of all ranks.
  [[nodiscard]] ProbeVerdict merge() const {
    struct Gathered {
      std::int64_t rows;
      std::int64_t wrong_rows;
      std::int64_t has_finding;
      ProbeFinding finding;
    };
    const Gathered mine{.rows = mine_.rows,
                        .wrong_rows = mine_.wrong_rows,
                        .has_finding = mine_.first.has_value() ? 1 : 0,
                        .finding = mine_.first.value_or(ProbeFinding{})};
    ProbeVerdict all;
    for (const Gathered& one : ranks_.all_gather(mine)) {
      ProbeVerdict verdict{.rows = one.rows, .wrong_rows = one.wrong_rows, .first = {}};
      if (one.has_finding != 0) {
        verdict.first = one.finding;
      }
      all += verdict;
    }
    return all;
  }

  const Probe& probe_;
  const AttentionProblem& problem_;
  const Partition& partition_;
  const Communicator& ranks_;
  BackwardRotation rotation_;
  int threads_;
  Bounds bounds_;
  ProbeVerdict mine_;
};

}  // namespace

std::string describe(const ProbeFinding& finding) {
  std::string place = fmt::format("rank {}: {} of token {}, head {} ({})", finding.rank,
                                  tensor_names[static_cast<std::size_t>(finding.tensor)], finding.token, finding.head,
                                  name_of(finding.form));
  if (finding.sequence > 0) {
    place += fmt::format(", sequence {}", finding.sequence);
  }
  const std::string_view fault = fault_texts[static_cast<std::size_t>(finding.fault)];
  if (finding.other < 0) {
    return fmt::format("{}: {}", place, fault);
  }
  return fmt::format("{}: token {} of rank {}, hop {}, {}", place, finding.other, finding.other_rank, finding.hop,
                     fault);
}

ProbeVerdict& ProbeVerdict::operator+=(const ProbeVerdict& more) {
  rows += more.rows;
  wrong_rows += more.wrong_rows;
  if (!first.has_value()) {
    first = more.first;
  }
  return *this;
}

ProbeVerdict check_forward(const Probe& probe, const Partition& partition, const Communicator& ranks,
                           const ProbeForwardResult& result, int threads) {
  return Checker(probe, partition, ranks, BackwardRotation::kv, threads).forward(result);
}

ProbeVerdict check_backward(const Probe& probe, const Partition& partition, const Communicator& ranks,
                            const ProbeBackwardResult& result, BackwardRotation rotation, int threads) {
  return Checker(probe, partition, ranks, rotation, threads).backward(result);
}

}  // namespace ringworld
