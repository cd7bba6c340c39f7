#include "io/attribute.hpp"

#include <gtest/gtest.h>

namespace ringworld {
namespace {

using Texts = std::vector<std::string>;
using Integers = std::vector<std::int64_t>;
using Numbers = std::vector<double>;

TEST(Attribute, IsAnIntegerWithoutAFraction) {
  EXPECT_EQ(as_integer(std::int64_t{-4}), -4);
  EXPECT_EQ(as_integer(Integers{7}), 7);
  EXPECT_EQ(as_integer(64.0), 64);
  EXPECT_EQ(as_integer(Numbers{64.0}), 64);
  for (const AttributeValue& value :
       {AttributeValue(0.5), AttributeValue(1e300), AttributeValue(std::string("4")), AttributeValue(Integers{1, 2}),
        AttributeValue(Integers{}), AttributeValue(true)}) {
    EXPECT_EQ(as_integer(value), std::nullopt) << describe(value);
  }
}

TEST(Attribute, IsATruthValueInTheSpellingsOfOtherPrograms) {
  for (const AttributeValue& value : {AttributeValue(true), AttributeValue(std::int64_t{1}), AttributeValue(1.0),
                                      AttributeValue(std::string("True")), AttributeValue(Integers{1})}) {
    EXPECT_EQ(as_boolean(value), true) << describe(value);
  }
  EXPECT_EQ(as_boolean(std::string("false")), false);
  EXPECT_EQ(as_boolean(std::int64_t{0}), false);
  EXPECT_EQ(as_boolean(std::int64_t{2}), std::nullopt);
  EXPECT_EQ(as_boolean(std::string("yes")), std::nullopt);
}

TEST(Attribute, IsTextAloneOrInAListOfOne) {
  EXPECT_EQ(as_text(Texts{"silu"}), "silu");
  EXPECT_EQ(as_text(Texts{"silu", "gelu"}), std::nullopt);
  EXPECT_EQ(as_text(std::int64_t{1}), std::nullopt);
}

TEST(Attribute, IsDescribedInALine) {
  EXPECT_EQ(describe(std::string("a\nb")), "a b");
  EXPECT_EQ(describe(Integers{1, 2}), "[1, 2]");
  EXPECT_LT(describe(std::string(10'000, 'x')).size(), 100U);
}

}  // namespace
}  // namespace ringworld
