/// @file  Which ranks of a job are at fault when it makes no progress, and when none is.

#include "comm/progress_board.hpp"

#include <gtest/gtest.h>

namespace ringworld::test {
namespace {

constexpr double limit = 10;

Activity working(std::uint64_t progress) { return {.progress = progress, .is_waiting = false, .phase = "forward"}; }
Activity waiting(std::uint64_t progress) {
  return {.progress = progress, .is_waiting = true, .phase = "waiting for hop 1 from rank 0"};
}

TEST(ProgressBoard, ARankThatWaitsForOneThatWorksIsNotStuck) {
  ProgressBoard board(2);
  for (int now = 0; now <= 1000; ++now) {
    board.hear(0, working(static_cast<std::uint64_t>(now)), now);
    board.hear(1, waiting(7), now);
    ASSERT_FALSE(board.verdict(now, limit).has_value()) << now;
  }
}

TEST(ProgressBoard, ARankThatStandsStillInItsWorkIsNamed) {
  ProgressBoard board(2);
  for (int now = 0; now <= 20; ++now) {
    board.hear(0, working(5), now);
    board.hear(1, working(static_cast<std::uint64_t>(now)), now);
    EXPECT_EQ(board.verdict(now, limit).has_value(), now >= 10) << now;
  }
  EXPECT_EQ(board.verdict(20, limit), "rank 0 stands still in \"forward\"");
}

TEST(ProgressBoard, ARankOfLessPatienceIsJudgedByIt) {
  Activity impatient = working(5);
  impatient.patience = 3;
  for (const double of_the_job : {10.0, 0.0}) {
    ProgressBoard board(2);
    for (int now = 0; now <= 9; ++now) {
      board.hear(0, impatient, now);
      board.hear(1, working(7), now);
      EXPECT_EQ(board.verdict(now, of_the_job).has_value(), now >= 3) << now;
    }
    EXPECT_EQ(board.verdict(9, of_the_job), "rank 0 stands still in \"forward\"");
  }
}

TEST(ProgressBoard, ARankThatIsNoLongerHeardOfIsNamed) {
  ProgressBoard board(3);
  board.hear(2, waiting(1), 0);
  for (int now = 0; now <= 12; ++now) {
    board.hear(0, working(static_cast<std::uint64_t>(now)), now);
    board.hear(1, waiting(3), now);
    EXPECT_EQ(board.verdict(now, limit).has_value(), now >= 10) << now;
  }
  EXPECT_EQ(board.verdict(12, limit),
            "rank 2 has not been heard of for 12.0 s (stopped, or its node is gone), last in \"waiting for hop 1 from "
            "rank 0\"");
}

TEST(ProgressBoard, RanksThatAllWaitAreStuck) {
  ProgressBoard board(3);
  for (int now = 0; now <= 12; ++now) {
    for (int rank = 0; rank < 3; ++rank) {
      board.hear(rank, waiting(3), now);
    }
    EXPECT_EQ(board.verdict(now, limit).has_value(), now >= 10) << now;
  }
  EXPECT_EQ(board.verdict(12, limit), "all ranks wait for each other");
}

TEST(ProgressBoard, RanksThatWereNeverHeardOfOrHaveLeftAreNotJudged) {
  ProgressBoard board(3);
  EXPECT_FALSE(board.verdict(1000, limit).has_value());
  board.hear(1, working(1), 0);
  board.dismiss(1);
  board.hear(0, working(1), 1000);
  EXPECT_FALSE(board.verdict(1000, limit).has_value());
  EXPECT_EQ(board.ranks_heard(), 1);
}

TEST(ProgressBoard, NamesAFewOfMany) {
  ProgressBoard board(9);
  for (int rank = 0; rank < 9; ++rank) {
    board.hear(rank, working(1), 0);
  }
  const std::string verdict = board.verdict(10, limit).value();
  EXPECT_NE(verdict.find("rank 0 has not"), std::string::npos) << verdict;
  EXPECT_NE(verdict.find("; and 5 more ranks"), std::string::npos) << verdict;
}

}  // namespace
}  // namespace ringworld::test
