#include "probe/query_sums.hpp"

#include <cmath>

#include "core/thread_team.hpp"

namespace ringworld {

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

std::vector<QuerySums> sums_of_all(const ProbeHead& head, const AttentionProblem& problem, int threads) {
  std::vector<QuerySums> sums(static_cast<std::size_t>(problem.context_length));
  run_team(threads, [&](TeamMember member) {
    std::vector<float> dout(static_cast<std::size_t>(problem.head_size));
    for (std::int64_t query = member.index; query < problem.context_length; query += member.size) {
      sums[static_cast<std::size_t>(query)] = sums_of(head, query, dout);
    }
  });
  return sums;
}

}  // namespace ringworld
