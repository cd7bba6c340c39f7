/// @file  Rows of the forward pass: out and lse.

#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/attention/attention.hpp"
#include "probe/rank_rows.hpp"

namespace ringworld {
namespace {

/// Which member of the group makes out what it is: `out * sum` lists their values, each by its weight.
void decode(const RankRows& rows, const ProbeHead& head, const ProbeRow& row, std::int64_t group,
            const std::vector<double>& out, double sum, ProbeFinding& found) {
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
                                   rows.blame(found, key,
                                              is_missed      ? ProbeFault::missed
                                              : is_doubled   ? ProbeFault::doubled
                                              : is_misplaced ? ProbeFault::misplaced
                                                             : ProbeFault::wrong);
                                 });
}

void check_out(const RankRows& rows, const ProbeHead& head, const ProbeForwardResult& result, const ProbeRow& row,
               Tally& tally) {
  const auto size = static_cast<std::size_t>(rows.problem().head_size);
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
    is_out_right = is_out_right &&
                   is_within(out[d], exact, (is_stair ? rows.bounds().stair_out : rows.bounds().out) * exact + 1e-7);
  }
  const bool is_lse_right = is_within(lse, std::log(weights), rows.bounds().lse);
  tally.count(is_out_right && is_lse_right);
  if ((!is_out_right || !is_lse_right) && tally.wants_finding()) {
    ProbeFinding found = rows.finding(head, row, is_out_right ? ProbeTensor::lse : ProbeTensor::out);
    decode(rows, head, row, group, out, std::exp(lse), found);
    tally.report(found);
  }
}

}  // namespace

ProbeVerdict check_forward(const Probe& probe, const Partition& partition, const Communicator& ranks,
                           const ProbeForwardResult& result, int threads) {
  RankRows rows(probe, partition, ranks, BackwardRotation::kv, threads);
  for (std::int64_t b = 0; b < rows.problem().batch; ++b) {
    for (std::int64_t h = 0; h < rows.problem().heads; ++h) {
      const ProbeHead head = probe.head(b, h);
      rows.for_each_row(b, h, [&](Tally& tally, const ProbeRow& row) { check_out(rows, head, result, row, tally); });
    }
  }
  return rows.merge();
}

}  // namespace ringworld
