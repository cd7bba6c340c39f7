#include "core/digest.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace ringworld::test {
namespace {

TEST(Digest, DoesNotDependOnThePortions) {
  const std::string text = "twenty-three bytes here";
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    Digest digest;
    digest.add(std::string_view(text).substr(0, cut));
    digest.add(std::string_view(text).substr(cut));
    EXPECT_EQ(digest.value(), digest_of(text)) << cut;
  }
}

TEST(Digest, TellsNeighboursApart) {
  std::set<std::uint64_t> seen;
  std::string text(40, '\0');
  for (std::size_t length = 0; length <= text.size(); ++length) {
    seen.insert(digest_of(text.substr(0, length)));  // zeros of another count
  }
  for (char& byte : text) {
    byte = 1;
    seen.insert(digest_of(text));
  }
  EXPECT_EQ(seen.size(), 41U + 40U);
}

TEST(Digest, IsTheSameOnEveryMachine) { EXPECT_EQ(digest_of("ringworld"), digest_of(std::string("ring") + "world")); }

}  // namespace
}  // namespace ringworld::test
