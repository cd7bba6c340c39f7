/// @file  main() of MPI tests: every rank's failures are shown, and the program fails when any rank did.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>

#include "comm/communicator.hpp"
#include "comm/environment.hpp"
#include "device/device.hpp"

namespace {

/// Prints failures with the rank that met them; rank 0 alone prints progress.
class RankedFailures : public testing::EmptyTestEventListener {
 public:
  explicit RankedFailures(int rank) : rank_(rank) {}

  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (result.failed()) {
      fmt::print(stderr, "rank {}: {}:{}: {}\n", rank_, result.file_name() == nullptr ? "?" : result.file_name(),
                 result.line_number(), result.summary());
    }
  }

 private:
  int rank_;
};

}  // namespace

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  const ringworld::Environment environment(argc, argv);
  const auto world = ringworld::Communicator::world();
  ringworld::choose_device(ringworld::gpu_kind, world.split_by_node().rank());
  testing::TestEventListeners& listeners = testing::UnitTest::GetInstance()->listeners();
  if (!world.is_root()) {
    delete listeners.Release(listeners.default_result_printer());
  }
  listeners.Append(new RankedFailures(world.rank()));
  // A rank that leaves a test early would leave the others waiting in its collectives: the test's time limit ends that.
  const auto failed = static_cast<std::int64_t>(RUN_ALL_TESTS());
  if (testing::UnitTest::GetInstance()->test_to_run_count() == 0) {
    fmt::print(stderr, "rank {}: the filter leaves no test\n", world.rank());
    return 1;
  }
  return world.all_reduce(failed, ringworld::Reduction::max) == 0 ? 0 : 1;
}
