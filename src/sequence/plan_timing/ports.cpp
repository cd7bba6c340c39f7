#include "sequence/plan_timing/ports.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "sequence/plan_timing/link_seconds.hpp"

namespace ringworld::plan_timing {

void Ports::carry(std::vector<Job> jobs) {
  std::ranges::stable_sort(jobs, {}, [](const Job& job) { return std::pair(job.port, job.ready); });
  for (auto first = jobs.begin(); first != jobs.end();) {
    const auto last = std::find_if(first, jobs.end(), [&](const Job& job) { return job.port != first->port; });
    leave(std::span(first, last));
    first = last;
  }
}

void Ports::leave(std::span<Job> jobs) {
  const LinkTime& link = link_of(rates_, std::get<0>(jobs.front().port));
  const double bandwidth = link.bytes_per_second / (link.port == Port::node ? rings_ : 1);
  double& free = free_at_[jobs.front().port];
  double time = std::max(free, jobs.front().ready);
  std::vector<std::pair<double, Flow*>> active;  // bytes left
  std::size_t next = 0;
  while (next < jobs.size() || !active.empty()) {
    if (active.empty() && next < jobs.size()) {
      time = std::max(time, jobs[next].ready);
    }
    for (; next < jobs.size() && jobs[next].ready <= time; ++next) {
      active.emplace_back(jobs[next].flow->bytes, jobs[next].flow);
    }
    const auto shortest = std::ranges::min_element(active, {}, [](const auto& left) { return left.first; });
    const double share = bandwidth / static_cast<double>(active.size());
    const double end = time + shortest->first / share;
    if (next < jobs.size() && jobs[next].ready < end) {
      for (auto& [left, flow] : active) {
        left -= (jobs[next].ready - time) * share;
      }
      time = jobs[next].ready;
      continue;
    }
    const double done = shortest->first;
    std::erase_if(active, [&](auto& entry) {
      entry.first -= done;
      if (entry.first <= 0) {
        entry.second->end = end + link.latency;
      }
      return entry.first <= 0;
    });
    time = end;
  }
  free = time;
}

}  // namespace ringworld::plan_timing
