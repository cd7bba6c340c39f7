#include "core/error.hpp"

#include <gtest/gtest.h>

#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

TEST(Error, CarriesKindMessageAndPlace) {
  const auto line = std::source_location::current().line() + 1;
  const Error error(ErrorKind::check_failed, "the sum is off");
  EXPECT_EQ(error.kind(), ErrorKind::check_failed);
  EXPECT_STREQ(error.what(), "the sum is off");
  EXPECT_EQ(error.where().line(), line);
  EXPECT_NE(std::string_view(error.where().file_name()).find("error_test.cpp"), std::string_view::npos);
}

TEST(Error, OnlyBadInputExitsWithTwo) {
  EXPECT_EQ(Error(ErrorKind::bad_input, "").exit_code(), 2);
  EXPECT_EQ(Error(ErrorKind::check_failed, "").exit_code(), 1);
  EXPECT_EQ(Error(ErrorKind::out_of_memory, "").exit_code(), 1);
  EXPECT_EQ(Error(ErrorKind::internal, "").exit_code(), 1);
}

TEST(Error, ACollectiveCopyDiffersInThatOnly) {
  const Error error(ErrorKind::out_of_memory, "no room");
  EXPECT_FALSE(error.is_collective());
  const Error collective = error.as_collective();
  EXPECT_TRUE(collective.is_collective());
  EXPECT_FALSE(error.is_collective());
  EXPECT_EQ(collective.kind(), error.kind());
  EXPECT_STREQ(collective.what(), error.what());
  EXPECT_EQ(collective.where().line(), error.where().line());
}

TEST(Error, IsCaughtAsARuntimeError) { EXPECT_THROW(throw Error(ErrorKind::internal, "x"), std::runtime_error); }

TEST(Require, ThrowsInternalWithTheCallersPlace) {
  EXPECT_NO_THROW(require(true, "fine"));
  expect_error(ErrorKind::internal, [] { require(false, "the shapes differ"); }, {"the shapes differ"});
  try {
    require(false, "");
  } catch (const Error& error) {
    EXPECT_NE(std::string_view(error.where().file_name()).find("error_test.cpp"), std::string_view::npos);
  }
}

TEST(RequireInput, ThrowsBadInput) {
  EXPECT_NO_THROW(require_input(true, "fine"));
  expect_error(ErrorKind::bad_input, [] { require_input(false, "--heads 0"); }, {"--heads 0"});
}

}  // namespace
}  // namespace ringworld::test
