#include "probe/key_gradient.hpp"

#include <cmath>

#include "core/thread_team.hpp"

namespace ringworld {
namespace {

/// Calls `function(query)` for the queries that attend to `key`.
template <class Function>
void for_each_asker(const RankRows& rows, const ProbeHead& head, std::int64_t key, Function&& function) {
  const std::int64_t last = rows.problem().context_length;
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

/// Which query's share makes dv what it is.
void decode_dv(const RankRows& rows, const KeyShare& share, const float* dv, const ProbeRow& row, ProbeFinding& found) {
  std::vector<float> dout(share.dv.size());
  std::vector<double> rest(share.dv.size());
  double rest_squares = 0;
  for (std::size_t d = 0; d < rest.size(); ++d) {
    rest[d] = static_cast<double>(dv[d]) - share.dv[d];
    rest_squares += rest[d] * rest[d];
  }
  const std::int64_t group = rows.problem().heads / rows.problem().kv_heads;
  for (std::int64_t h = row.head * group; h < (row.head + 1) * group; ++h) {
    const ProbeHead head = rows.probe().head(row.sequence, h);
    const double weight = head.weight_of(head.groups().member_of(row.token));
    for_each_asker(rows, head, row.token, [&](std::int64_t query) {
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
        rows.blame(found, query, product < 0 ? ProbeFault::missed : ProbeFault::doubled);
      }
    });
  }
}

}  // namespace

void gather_keys(const RankRows& rows, const ProbeHead& head, const std::vector<QuerySums>& queries,
                 std::vector<KeyShare>& keys) {
  const auto size = static_cast<std::size_t>(rows.problem().head_size);
  run_team(rows.threads(), [&](TeamMember team) {
    std::vector<float> dout(size);
    for (const TokenRun& run : rows.runs()) {
      for (std::int64_t i = team.index; i < run.count; i += team.size) {
        const std::int64_t key = run.token + i * run.stride;
        KeyShare& share = keys[static_cast<std::size_t>(run.token_local + i)];
        share.dv.resize(size);
        share.dv_squares.resize(size);
        const double weight = head.weight_of(head.groups().member_of(key));
        const auto entry = static_cast<std::size_t>(head.value_entry(key));
        for_each_asker(rows, head, key, [&](std::int64_t query) {
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

void check_key_gradient(const RankRows& rows, const ProbeHead& head, const KeyShare& share,
                        const ProbeBackwardResult& result, const ProbeRow& row, Tally& tally) {
  const std::int64_t bits = head.code_entries();
  const std::int64_t group = head.groups().group_of(row.token);
  const float* dk = &result.dk(row.sequence, row.local, row.head, 0);
  const float* dv = &result.dv(row.sequence, row.local, row.head, 0);
  const double common_bound = rows.bounds().gradient * std::sqrt(share.squares) + smallest_gradient_error;
  bool is_dk_right = is_within(dk[bits], 32 * share.common, 32 * common_bound) && is_within(dk[bits + 1], 0, 0) &&
                     is_within(dk[bits + 2], share.tag,
                               rows.bounds().gradient * std::sqrt(share.tag_squares) + smallest_gradient_error) &&
                     is_within(dk[bits + 3], head.query_step() * share.common, head.query_step() * common_bound);
  for (std::int64_t d = 0; d < bits; ++d) {
    is_dk_right = is_dk_right && is_within(dk[d], head.code(group, d) * share.common, 32 * common_bound);
  }
  bool is_dv_right = true;
  for (std::size_t d = 0; d < share.dv.size(); ++d) {
    is_dv_right =
        is_dv_right && is_within(dv[d], share.dv[d],
                                 rows.bounds().gradient * std::sqrt(share.dv_squares[d]) + smallest_gradient_error);
  }
  tally.count(is_dk_right && is_dv_right);
  if ((!is_dk_right || !is_dv_right) && tally.wants_finding()) {
    ProbeFinding found = rows.finding(head, row, is_dv_right ? ProbeTensor::dk : ProbeTensor::dv);
    if (!is_dv_right) {
      decode_dv(rows, share, dv, row, found);
    }
    tally.report(found);
  }
}

}  // namespace ringworld
