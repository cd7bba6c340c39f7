#pragma once
/// @file  Asynchronous instructions of one thread or warpgroup, in groups: cp.async, bulk stores, wgmma.

#include <cstddef>
#include <functional>
#include <vector>

namespace cuda_emulator {

/// Runs each operation at one of the two ends of the time in which the hardware may: at once, or when somebody waits for
/// it. A toss of a coin decides, so that a wait that is missing before the operation, or after it, shows.
class AsyncQueue {
 public:
  void add(std::function<void()> operation);
  /// Makes a group of what was added since the last commit.
  void commit();
  /// Runs all groups but the youngest `pending`.
  void wait(std::size_t pending);
  /// Nothing is left to run, committed or not.
  [[nodiscard]] bool is_idle() const;
  /// How many operations were ever added.
  [[nodiscard]] std::size_t added() const { return added_; }

 private:
  using Group = std::vector<std::function<void()>>;
  static void run(Group& group);

  std::vector<Group> groups_;  // oldest first
  Group open_;
  std::size_t added_ = 0;
};

}  // namespace cuda_emulator
