#include "probe/rank_rows.hpp"

#include "core/error.hpp"

namespace ringworld {
namespace {

std::int64_t rank_of(const Partition& partition, std::int64_t token) {
  for (std::int64_t rank = 0; rank < partition.ranks(); ++rank) {
    for (const TokenRun& run : partition.runs(rank)) {
      const std::int64_t place = token - run.token;
      if (place >= 0 && place % run.stride == 0 && place / run.stride < run.count) {
        return rank;
      }
    }
  }
  throw Error(ErrorKind::internal, "probe: a token that no rank holds");
}

}  // namespace

ProbeFinding RankRows::finding(const ProbeHead& head, const ProbeRow& row, ProbeTensor tensor) const {
  return {.rank = ranks_.rank(),
          .sequence = row.sequence,
          .token = row.token,
          .head = row.head,
          .form = head.groups().form(),
          .tensor = tensor};
}

void RankRows::blame(ProbeFinding& finding, std::int64_t other, ProbeFault fault) const {
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

ProbeVerdict RankRows::merge() const {
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

}  // namespace ringworld
