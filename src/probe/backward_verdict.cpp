/// @file  Rows of the backward pass: dq of every query, dk and dv of every key.

#include <vector>

#include "probe/key_gradient.hpp"
#include "probe/query_gradient.hpp"
#include "probe/query_sums.hpp"
#include "probe/rank_rows.hpp"

namespace ringworld {

ProbeVerdict check_backward(const Probe& probe, const Partition& partition, const Communicator& ranks,
                            const ProbeBackwardResult& result, BackwardRotation rotation, int threads) {
  RankRows rows(probe, partition, ranks, rotation, threads);
  const AttentionProblem& problem = rows.problem();
  const std::int64_t group = problem.heads / problem.kv_heads;
  for (std::int64_t b = 0; b < problem.batch; ++b) {
    for (std::int64_t kv_head = 0; kv_head < problem.kv_heads; ++kv_head) {
      // One key head at a time: its gradients are the sum over all query heads that read it.
      std::vector<KeyShare> keys(static_cast<std::size_t>(rows.tokens()));
      for (std::int64_t h = kv_head * group; h < (kv_head + 1) * group; ++h) {
        const ProbeHead head = probe.head(b, h);
        const std::vector<QuerySums> queries = sums_of_all(head, problem, threads);
        rows.for_each_row(b, h, [&](Tally& tally, const ProbeRow& row) {
          check_query_gradient(rows, head, queries, result, row, tally);
        });
        gather_keys(rows, head, queries, keys);
      }
      const ProbeHead head = probe.head(b, kv_head * group);
      rows.for_each_row(b, kv_head, [&](Tally& tally, const ProbeRow& row) {
        check_key_gradient(rows, head, keys[static_cast<std::size_t>(row.local)], result, row, tally);
      });
    }
  }
  return rows.merge();
}

}  // namespace ringworld
