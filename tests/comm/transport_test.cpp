#include "comm/transport.hpp"

#include <gtest/gtest.h>

#include "comm/communicator.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

TEST(Transport, NamesAreReadAndMistypedOnesGetTheNearest) {
  for (const std::string_view name : transport_names) {
    EXPECT_EQ(name_of(parse_transport(name)), name);
  }
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(parse_transport("stagd")); }, {"stagd", "staged"});
}

TEST(Transport, AutomaticPrefersNcclThenCudaAwareMpiThenStaging) {
  constexpr Transport automatic = Transport::automatic;
  const auto decide = [](bool is_nccl_built, bool is_mpi_device_aware, bool has_own_gpus) {
    return decide_transport(
        automatic,
        {.is_nccl_built = is_nccl_built, .is_mpi_device_aware = is_mpi_device_aware, .has_own_gpus = has_own_gpus});
  };
  EXPECT_EQ(decide(true, true, true), Transport::nccl);
  EXPECT_EQ(decide(true, false, true), Transport::nccl);
  EXPECT_EQ(decide(true, true, false), Transport::device_aware_mpi) << "NCCL refuses ranks that share a GPU";
  EXPECT_EQ(decide(false, true, true), Transport::device_aware_mpi);
  EXPECT_EQ(decide(true, false, false), Transport::staged);
  EXPECT_EQ(decide(false, false, true), Transport::staged);
}

TEST(Transport, AWishThatCannotBeGrantedSaysWhy) {
  const auto refuse = [](Transport wanted, const TransportFacts& facts, std::initializer_list<std::string_view> parts) {
    expect_error(ErrorKind::bad_input, [&] { static_cast<void>(decide_transport(wanted, facts)); }, parts);
  };
  refuse(Transport::nccl, {.has_own_gpus = true}, {"nccl", "RINGWORLD_ENABLE_NCCL"});
  refuse(Transport::nccl, {.is_nccl_built = true}, {"nccl", "share", "staged"});
  refuse(Transport::device_aware_mpi, {.is_nccl_built = true, .has_own_gpus = true}, {"cuda_aware_mpi", "staged"});
  EXPECT_EQ(
      decide_transport(Transport::staged, {.is_nccl_built = true, .is_mpi_device_aware = true, .has_own_gpus = true}),
      Transport::staged);
}

TEST(Transport, AWishLeavesRanksAndMessagesAsTheyAre) {
  const Communicator world = Communicator::world();
  const Communicator staged = world.with_transport(Transport::staged);
  EXPECT_EQ(staged.rank(), world.rank());
  EXPECT_EQ(staged.size(), world.size());
  EXPECT_EQ(staged.all_reduce(std::int64_t{1}, Reduction::sum), world.size());
}

}  // namespace
}  // namespace ringworld::test
