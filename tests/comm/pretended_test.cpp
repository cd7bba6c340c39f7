#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "comm/collectives.hpp"
#include "comm/mesh.hpp"
#include "comm/ring.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

TEST(PretendedCommunicator, IsOneRankOfAJobThatIsNotThere) {
  const Communicator job = Communicator::pretended(700, 1024);
  EXPECT_TRUE(job.is_pretended());
  EXPECT_EQ(job.rank(), 700);
  EXPECT_EQ(job.size(), 1024);
  EXPECT_EQ(job.rank_in_job(3), 3);
  EXPECT_FALSE(Communicator::world().is_pretended());
  job.barrier();
  EXPECT_EQ(job.duplicate().size(), 1024);
}

TEST(PretendedCommunicator, CountsOthersAsGivingTheSame) {
  const Communicator job = Communicator::pretended(1, 4);
  EXPECT_EQ(job.all_reduce(2.5, Reduction::sum), 10.0);
  EXPECT_EQ(job.all_reduce(std::int64_t{7}, Reduction::max), 7);
  EXPECT_TRUE(job.all_agree(true));
  EXPECT_FALSE(job.all_agree(false));
  EXPECT_EQ(job.all_gather(9), (std::vector<int>{9, 9, 9, 9}));
  EXPECT_EQ(job.broadcast(std::string("text"), 0), "text");
  expect_error(ErrorKind::bad_input,
               [&] { on_every_rank(job, [] { throw Error(ErrorKind::bad_input, "this rank's fault"); }); },
               {"this rank's fault"});
}

TEST(PretendedCommunicator, FormsGroupsOfNamedMembersOnly) {
  const Communicator job = Communicator::pretended(5, 8);
  const std::array<int, 3> members{1, 3, 5};
  EXPECT_EQ(job.part(members).rank(), 2);
  EXPECT_EQ(job.part(members).size(), 3);
  expect_error(ErrorKind::internal, [&] { static_cast<void>(job.split(0, 0)); }, {"cannot split"});
  const std::array<int, 1> others{2};
  expect_error(ErrorKind::internal, [&] { static_cast<void>(job.part(others)); }, {"in the group"});
}

/// Every rank of a mesh sees itself as the real one would: a real mesh of as many ranks is asked.
TEST(PretendedCommunicator, StandsInAMeshAsARealRankDoes) {
  const Communicator world = Communicator::world();
  const std::int64_t ranks = world.size();
  std::vector<MeshShape> shapes{{{1, 1, 1, ranks}}, {{1, ranks, 1, 1}}};
  if (ranks % 2 == 0) {
    shapes.push_back({{1, 2, 1, ranks / 2}});
    shapes.push_back({{ranks / 2, 1, 2, 1}});
  }
  for (const MeshShape& shape : shapes) {
    const Mesh real(world, shape);
    const Mesh pretended(Communicator::pretended(world.rank(), world.size()), shape);
    for (const MeshAxis axis : {MeshAxis::dp, MeshAxis::fsdp, MeshAxis::tp, MeshAxis::sp}) {
      EXPECT_EQ(pretended.coordinate(axis), real.coordinate(axis)) << shape.to_string();
      EXPECT_EQ(pretended.along(axis).rank(), real.along(axis).rank()) << shape.to_string();
      EXPECT_EQ(pretended.along(axis).size(), real.along(axis).size()) << shape.to_string();
    }
    const Communicator real_group = real.across({MeshAxis::fsdp, MeshAxis::sp});
    const Communicator pretended_group = pretended.across({MeshAxis::fsdp, MeshAxis::sp});
    EXPECT_EQ(pretended_group.rank(), real_group.rank()) << shape.to_string();
    EXPECT_EQ(pretended_group.size(), real_group.size()) << shape.to_string();
  }
}

TEST(PretendedCommunicator, CountsWhatItDoesNotCarry) {
  const Ring ring(Communicator::pretended(0, 16));
  EXPECT_EQ(ring.previous(), 15);
  Shift shift(ring.communicator(), {.message_limit = 64});
  const std::vector<std::byte> sent(100);
  std::vector<std::byte> received(100, std::byte{7});
  shift.start(ring.neighbours(), sent, received);
  EXPECT_TRUE(shift.test());
  shift.wait();
  EXPECT_EQ(shift.traffic().hops, 1);
  EXPECT_EQ(shift.traffic().bytes, 100);
  EXPECT_EQ(shift.traffic().messages, 2);
  EXPECT_EQ(received.front(), std::byte{7});
  std::vector<float> all(32);
  start_all_gather(ring.communicator(), std::array<float, 2>{}, all).wait();
}

}  // namespace
}  // namespace ringworld::test
