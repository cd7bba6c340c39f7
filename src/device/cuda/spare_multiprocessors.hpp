#pragma once
/// @file  How many multiprocessors kernels of transfers need while a kernel runs that keeps its own to its end.
///
/// The blocks of most kernels are many and short: a transfer's kernel gets a multiprocessor as soon as one of them
/// ends. The blocks of a persistent grid end together. It must leave multiprocessors free from the start, or transfers
/// would wait for it, and hops would not run beside it.

#include <algorithm>
#include <vector>

namespace ringworld {

/// Lives as long as transfers may run beside other kernels. Created and destroyed by the thread that enqueues kernels.
class SpareMultiprocessors {
 public:
  /// @param count  blocks of a transfer's kernel, each of which fills a multiprocessor
  explicit SpareMultiprocessors(int count) : count_(count) { counts().push_back(count); }
  ~SpareMultiprocessors() { counts().erase(std::ranges::find(counts(), count_)); }
  SpareMultiprocessors(const SpareMultiprocessors&) = delete;
  SpareMultiprocessors& operator=(const SpareMultiprocessors&) = delete;

  /// The largest request of all live objects; 0 without any. Transfers that run at the same time take turns on these.
  [[nodiscard]] static int wanted() { return counts().empty() ? 0 : std::ranges::max(counts()); }

 private:
  static std::vector<int>& counts() {
    static std::vector<int> of_all_alive;
    return of_all_alive;
  }

  int count_;
};

}  // namespace ringworld
