#pragma once
/// @file  How the threads of a rank share a block.
///
///   many (sequence, key/value head) pairs         few: every pair is walked by all threads together
///     thread 0   pair 0, pair 2, ...                panel: pack a share of its tiles | barrier |
///     thread 1   pair 1, pair 3, ...                every n-th query tile            | barrier | next panel
///
/// Shares are fixed, so a result does not depend on which thread was faster.

#include <atomic>
#include <exception>
#include <vector>

#include "core/thread_team.hpp"
#include "kernels/attention/attention.hpp"
#include "kernels/attention/host/scratch.hpp"

namespace ringworld::host_attention {

/// Calls the caller's progress function, on the first thread only, and spreads the word when it stops the block.
class Steering {
 public:
  explicit Steering(const Progress& progress) : progress_(progress) {}

  /// Between tiles. False when the rest of the work is to be skipped.
  [[nodiscard]] bool proceed(int thread) noexcept {
    if (thread == 0 && progress_ && !is_stopped()) {
      try {
        if (!progress_()) {
          is_stopped_.store(true, std::memory_order_relaxed);
        }
      } catch (...) {
        thrown_ = std::current_exception();
        is_stopped_.store(true, std::memory_order_relaxed);
      }
    }
    return !is_stopped();
  }
  [[nodiscard]] bool is_stopped() const noexcept { return is_stopped_.load(std::memory_order_relaxed); }

  /// After the team: throws what the progress function threw, else says whether all work was done.
  [[nodiscard]] bool finish() const {
    if (thrown_) {
      std::rethrow_exception(thrown_);
    }
    return !is_stopped();
  }

 private:
  const Progress& progress_;
  std::atomic<bool> is_stopped_ = false;
  std::exception_ptr thrown_;
};

/// One thread's part in walking one (sequence, key/value head) pair.
struct Walker {
  TeamMember group;  ///< those who walk the pair together
  int thread = 0;    ///< of the whole team
  Scratch* own = nullptr;
  Scratch* leader = nullptr;  ///< whose panel the group shares
  std::vector<Scratch>* all = nullptr;
  Steering* steering = nullptr;

  void wait_for_group() const {
    if (group.size > 1) {
      team_barrier();
    }
  }
  /// Whether item `index` of a list that the group shares is this thread's.
  [[nodiscard]] bool owns(std::int64_t index) const { return index % group.size == group.index; }
};

/// Walks all pairs with as many threads as there are scratches: `walk(walker, batch, kv_head)`.
template <class Walk>
bool walk_pairs(std::vector<Scratch>& scratches, std::int64_t batches, std::int64_t kv_heads, const Progress& progress,
                const Walk& walk) {
  Steering steering(progress);
  run_team(static_cast<int>(scratches.size()), [&](TeamMember member) {
    const std::int64_t pairs = batches * kv_heads;
    const bool is_apart = pairs % member.size == 0 || pairs >= 8 * member.size;
    const auto own = static_cast<std::size_t>(member.index);
    const Walker walker{.group = is_apart ? TeamMember{} : member,
                        .thread = member.index,
                        .own = &scratches[own],
                        .leader = &scratches[is_apart ? own : 0],
                        .all = &scratches,
                        .steering = &steering};
    for (std::int64_t pair = is_apart ? member.index : 0; pair < pairs; pair += is_apart ? member.size : 1) {
      walk(walker, pair / kv_heads, pair % kv_heads);
    }
  });
  return steering.finish();
}

}  // namespace ringworld::host_attention
