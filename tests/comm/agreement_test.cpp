/// @file  Errors that ranks agree on: the same one everywhere, so that all may leave in order.

#include "comm/agreement.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <optional>

#include "comm/communicator.hpp"

namespace ringworld::test {
namespace {

template <class Function>
std::optional<Error> error_of(Function&& function) {
  try {
    function();
  } catch (const Error& error) {
    return error;
  }
  return std::nullopt;
}

void expect_everywhere(const std::optional<Error>& error, ErrorKind kind, const std::string& message) {
  ASSERT_TRUE(error.has_value()) << "no error was thrown";
  EXPECT_EQ(error->kind(), kind);
  EXPECT_EQ(error->what(), message);
  EXPECT_TRUE(error->is_collective());
}

TEST(OnRoot, RunsOnTheRootOnly) {
  const Communicator world = Communicator::world();
  std::int64_t runs = 0;
  on_root(world, [&] { ++runs; });
  EXPECT_EQ(runs, world.is_root() ? 1 : 0);
}

TEST(OnRoot, EveryRankThrowsWhatTheRootMet) {
  const Communicator world = Communicator::world();
  for (const ErrorKind kind :
       {ErrorKind::bad_input, ErrorKind::check_failed, ErrorKind::out_of_memory, ErrorKind::internal}) {
    expect_everywhere(error_of([&] { on_root(world, [&] { throw Error(kind, "no such file"); }); }), kind,
                      "no such file");
  }
}

TEST(OnRoot, OtherExceptionsBecomeInternalErrors) {
  const Communicator world = Communicator::world();
  expect_everywhere(error_of([&] { on_root(world, [] { throw std::out_of_range("index 7"); }); }), ErrorKind::internal,
                    "index 7");
}

TEST(OnRoot, WhatAFileSystemRefusesIsBadInput) {
  const Communicator world = Communicator::world();
  const std::filesystem::path name(std::string(300, 'n'));
  expect_everywhere(error_of([&] { on_root(world, [&] { std::filesystem::create_directories(name); }); }),
                    ErrorKind::bad_input, fmt::format("'{}': File name too long", name.string()));
}

TEST(OnRoot, LongMessagesArriveWhole) {
  const Communicator world = Communicator::world();
  const std::string message(200'000, 'x');
  expect_everywhere(error_of([&] { on_root(world, [&] { throw Error(ErrorKind::internal, message); }); }),
                    ErrorKind::internal, message);
}

TEST(Agreement, SameFactsPass) {
  const std::vector<RankFact> facts{{.name = "the arguments", .digest = 1, .description = "'a'"},
                                    {.name = "file 'b'", .digest = 2, .description = "2 bytes"}};
  EXPECT_NO_THROW(require_agreement(Communicator::world(), facts));
}

TEST(Agreement, ADifferenceNamesTheFactTheRanksAndWhatTheyHave) {
  const Communicator world = Communicator::world();
  if (world.size() == 1) {
    GTEST_SKIP() << "one rank agrees with itself";
  }
  const bool is_last = world.rank() + 1 == world.size();
  const std::vector<RankFact> facts{
      {.name = "the arguments", .digest = 1, .description = ""},
      {.name = "file 'in.h5'", .digest = is_last ? 8U : 7U, .description = is_last ? "8 bytes" : "7 bytes"}};
  const auto error = error_of([&] { require_agreement(world, facts); });
  ASSERT_TRUE(error.has_value());
  EXPECT_TRUE(error->is_collective());
  EXPECT_EQ(error->kind(), ErrorKind::bad_input);
  const std::string text = error->what();
  for (const std::string& part :
       {fmt::format("rank {} differs from rank 0 in file 'in.h5'", world.size() - 1), std::string("7 bytes on rank 0"),
        fmt::format("8 bytes on rank {}", world.size() - 1)}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TEST(Agreement, SeveralRanksAreNamedTogether) {
  const Communicator world = Communicator::world();
  if (world.size() < 3) {
    GTEST_SKIP() << "needs three ranks";
  }
  const std::vector<RankFact> facts{{.name = "x", .digest = world.is_root() ? 0U : 1U, .description = ""}};
  const auto error = error_of([&] { require_agreement(world, facts); });
  ASSERT_TRUE(error.has_value());
  EXPECT_NE(std::string(error->what()).find("ranks 1, 2"), std::string::npos) << error->what();
}

TEST(OnEveryRank, RunsOnEveryRank) {
  const Communicator world = Communicator::world();
  std::int64_t runs = 0;
  on_every_rank(world, [&] { ++runs; });
  EXPECT_EQ(world.all_reduce(runs, Reduction::sum), world.size());
}

TEST(OnEveryRank, OneFailingRankIsHeardEverywhere) {
  const Communicator world = Communicator::world();
  for (int failing = 0; failing < world.size(); ++failing) {
    const std::string message = fmt::format("rank {} has no memory", failing);
    const auto action = [&] {
      if (world.rank() == failing) {
        throw Error(ErrorKind::out_of_memory, message);
      }
    };
    expect_everywhere(error_of([&] { on_every_rank(world, action); }), ErrorKind::out_of_memory, message);
  }
}

TEST(OnEveryRank, TheFirstOfSeveralFailingRanksSpeaks) {
  const Communicator world = Communicator::world();
  const int first = world.size() / 2;
  const auto action = [&] {
    if (world.rank() >= first) {
      const ErrorKind kind = world.rank() == first ? ErrorKind::bad_input : ErrorKind::internal;
      throw Error(kind, fmt::format("from rank {}", world.rank()));
    }
  };
  expect_everywhere(error_of([&] { on_every_rank(world, action); }), ErrorKind::bad_input,
                    fmt::format("from rank {}", first));
}

TEST(OnEveryRank, TheRanksStayUsableAfterwards) {
  const Communicator world = Communicator::world();
  static_cast<void>(error_of([&] { on_every_rank(world, [] { throw Error(ErrorKind::internal, ""); }); }));
  EXPECT_TRUE(world.all_agree(true));
}

}  // namespace
}  // namespace ringworld::test
