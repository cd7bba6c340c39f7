#include "comm/mesh.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

constexpr std::array axes{MeshAxis::dp, MeshAxis::fsdp, MeshAxis::tp, MeshAxis::sp};

using Sizes = std::array<std::int64_t, 4>;

/// Every ordered product of four factors.
std::vector<MeshShape> shapes_of(std::int64_t ranks) {
  std::vector<MeshShape> shapes;
  for (std::int64_t dp = 1; dp <= ranks; ++dp) {
    for (std::int64_t fsdp = 1; dp * fsdp <= ranks; ++fsdp) {
      for (std::int64_t tp = 1; dp * fsdp * tp <= ranks; ++tp) {
        if (ranks % (dp * fsdp * tp) == 0) {
          shapes.push_back({.sizes = {dp, fsdp, tp, ranks / (dp * fsdp * tp)}});
        }
      }
    }
  }
  return shapes;
}

TEST(ParseMesh, ReadsFourIntegers) {
  EXPECT_EQ(parse_mesh("1,1,1,1", 1).sizes, (Sizes{1, 1, 1, 1}));
  EXPECT_EQ(parse_mesh("2,3,5,7", 210).sizes, (Sizes{2, 3, 5, 7}));
}

TEST(ParseMesh, OneAxisTakesWhatTheOthersLeave) {
  EXPECT_EQ(parse_mesh("1,-1,4,1", 32).sizes, (Sizes{1, 8, 4, 1}));
  EXPECT_EQ(parse_mesh("-1,1,1,1", 7).sizes, (Sizes{7, 1, 1, 1}));
  EXPECT_EQ(parse_mesh("2,2,2,-1", 8).sizes, (Sizes{2, 2, 2, 1}));
}

TEST(ParseMesh, IsTheInverseOfPrinting) {
  for (const MeshShape& shape : shapes_of(24)) {
    EXPECT_EQ(parse_mesh(shape.to_string(), 24).sizes, shape.sizes);
  }
  EXPECT_EQ((MeshShape{.sizes = {2, 1, 4, 8}}.to_string()), "2,1,4,8");
}

TEST(ParseMesh, TextThatIsNoMeshIsBadInput) {
  for (const char* text : {"", "1", "1,1,1", "1,1,1,1,1", "1,1,1,", ",1,1,1", "a,1,1,1", "1, 1,1,1", "1.0,1,1,1",
                           "1,1,1,1 ", "+1,1,1,1", "99999999999999999999,1,1,1"}) {
    expect_error(ErrorKind::bad_input, [&] { static_cast<void>(parse_mesh(text, 1)); }, {"dp,fsdp,tp,sp", text});
  }
}

TEST(ParseMesh, SizesMustBePositive) {
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(parse_mesh("0,1,1,1", 1)); }, {"axis dp"});
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(parse_mesh("1,1,-2,1", 1)); }, {"axis tp"});
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(parse_mesh("-1,-1,1,1", 4)); }, {"more than one -1"});
}

TEST(ParseMesh, TheProductMustBeTheRanks) {
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(parse_mesh("1,1,1,3", 4)); }, {"3 ranks", "has 4"});
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(parse_mesh("1,1,1,8", 4)); }, {"4"});
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(parse_mesh("3,-1,1,1", 4)); }, {"multiple of 3"});
}

TEST(ParseMesh, ProductsThatOverflowAreBadInput) {
  // 2^32 * 2^32 is 0 in 64 bits.
  for (const char* text : {"4294967296,4294967296,-1,1", "4294967296,4294967296,1,1", "-1,9223372036854775807,2,1"}) {
    expect_error(ErrorKind::bad_input, [&] { static_cast<void>(parse_mesh(text, 4)); }, {text});
  }
}

TEST(Mesh, CoordinatesCountTheLastAxisFastest) {
  const Communicator world = Communicator::world();
  for (const MeshShape& shape : shapes_of(world.size())) {
    const Mesh mesh(world, shape);
    std::int64_t rank = 0;
    for (const MeshAxis axis : axes) {
      EXPECT_GE(mesh.coordinate(axis), 0);
      EXPECT_LT(mesh.coordinate(axis), shape[axis]);
      rank = rank * shape[axis] + mesh.coordinate(axis);
    }
    EXPECT_EQ(rank, world.rank()) << shape.to_string();
    EXPECT_EQ(mesh.shape().sizes, shape.sizes);
  }
}

TEST(Mesh, AnAxisHoldsTheRanksThatDifferOnItOnly) {
  const Communicator world = Communicator::world();
  for (const MeshShape& shape : shapes_of(world.size())) {
    const Mesh mesh(world, shape);
    Sizes mine{};
    for (const MeshAxis axis : axes) {
      mine[static_cast<std::size_t>(axis)] = mesh.coordinate(axis);
    }
    for (const MeshAxis axis : axes) {
      const Communicator& along = mesh.along(axis);
      EXPECT_EQ(along.size(), shape[axis]) << shape.to_string();
      EXPECT_EQ(along.rank(), mesh.coordinate(axis)) << shape.to_string();
      const std::vector<Sizes> members = along.all_gather(mine);
      for (std::size_t index = 0; index < members.size(); ++index) {
        Sizes expected = mine;
        expected[static_cast<std::size_t>(axis)] = static_cast<std::int64_t>(index);
        EXPECT_EQ(members[index], expected) << shape.to_string();
      }
    }
  }
}

TEST(Mesh, AShapeOfAnotherSizeIsRefused) {
  const Communicator world = Communicator::world();
  const MeshShape shape{.sizes = {world.size(), 2, 1, 1}};
  expect_error(ErrorKind::internal, [&] { const Mesh mesh(world, shape); });
}

}  // namespace
}  // namespace ringworld::test
