#include "core/spelling.hpp"

#include <gtest/gtest.h>

#include <array>

#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

constexpr std::array<std::string_view, 4> known{"contiguous", "striped", "zigzag", "kv"};

TEST(Spelling, FindsTheNearestName) {
  EXPECT_EQ(nearest_name("zigzag", known), "zigzag");
  EXPECT_EQ(nearest_name("zig-zag", known), "zigzag");
  EXPECT_EQ(nearest_name("stripped", known), "striped");
  EXPECT_EQ(nearest_name("contigous", known), "contiguous");
  EXPECT_EQ(nearest_name("vk", known), "kv");
  EXPECT_EQ(nearest_name("", known), "kv") << "the shortest needs the fewest edits";
}

TEST(Spelling, TheFirstOfEquallyNearNamesWins) {
  constexpr std::array<std::string_view, 2> names{"q", "k"};
  EXPECT_EQ(nearest_name("x", names), "q");
}

TEST(Spelling, NothingIsNearestOfNothing) { EXPECT_EQ(nearest_name("x", {}), ""); }

TEST(Spelling, JoinsNames) {
  EXPECT_EQ(join_names(known), "contiguous, striped, zigzag, kv");
  EXPECT_EQ(join_names({}), "");
}

TEST(Spelling, UnknownNamesAreBadInputWithASuggestion) {
  expect_error(ErrorKind::bad_input, [] { throw_unknown_name("layout", "zagzig", known); },
               {"layout 'zagzig' is unknown", "did you mean 'zigzag'?", "(one of contiguous, striped, zigzag, kv)"});
}

TEST(Spelling, MoreNamesThanOneReadsAreNotListed) {
  constexpr std::array<std::string_view, 12> many{"one",   "two",   "three", "four", "five",   "six",
                                                  "seven", "eight", "nine",  "ten",  "eleven", "twelve"};
  expect_error(ErrorKind::bad_input, [&] { throw_unknown_name("flag", "tree", many, "--help shows all"); },
               {"flag 'tree' is unknown; did you mean 'three'? (--help shows all)"});
  expect_error(ErrorKind::bad_input,
               [&] { throw_unknown_name("flag", "tree", std::span(many).first(4), "see --help"); },
               {"(one of one, two, three, four)"});
  expect_error(ErrorKind::bad_input, [&] { throw_unknown_name("flag", "tree", many); }, {"ten, eleven, twelve"});
}

}  // namespace
}  // namespace ringworld::test
