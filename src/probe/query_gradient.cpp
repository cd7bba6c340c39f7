#include "probe/query_gradient.hpp"

#include <cmath>

namespace ringworld {

void check_query_gradient(const RankRows& rows, const ProbeHead& head, const std::vector<QuerySums>& queries,
                          const ProbeBackwardResult& result, const ProbeRow& row, Tally& tally) {
  const QuerySums& sums = queries[static_cast<std::size_t>(row.token)];
  std::vector<float> dout(static_cast<std::size_t>(rows.problem().head_size));
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
    return rows.bounds().gradient * std::sqrt(term_squares + spread * spread) + smallest_gradient_error;
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
    ProbeFinding found = rows.finding(head, row, ProbeTensor::dq);
    const double rest = values[bits] / (-32.0 * static_cast<double>(bits));
    head.groups().for_each_visible(group, row.token, head.is_causal(), [&](std::int64_t key, std::int64_t member) {
      const double share = rest / dscore_of(key, member);
      if (found.other < 0 && std::abs(std::abs(share) - 1) < 0.05) {
        rows.blame(found, key, share < 0 ? ProbeFault::missed : ProbeFault::doubled);
      }
    });
    tally.report(found);
  }
}

}  // namespace ringworld
