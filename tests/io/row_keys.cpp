#include "io/row_keys.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "io/record_file.hpp"
#include "temporary_directory.hpp"

namespace ringworld {
namespace {

/// `moon` is a key that nothing but this declaration knows of.
struct PlanetRow {
  static constexpr std::string_view path = "/planets";
  static constexpr std::string_view meaning = "a planet";
  std::int64_t orbit = 0;
  double depth = 0;
  FixedString<8> moon;
  bool ringed = false;
  double mass = 0;
  FixedString<8> reason;
  static Columns columns() {
    using R = PlanetRow;
    return {Column{"orbit", &R::orbit, Role::key, "", ""},     Column{"depth", &R::depth, Role::key, "", ""},
            Column{"moon", &R::moon, Role::key, "", ""},       Column{"ringed", &R::ringed, Role::key, "", ""},
            Column{"mass", &R::mass, Role::measure, "kg", ""}, Column{"reason", &R::reason, Role::verdict, "", ""}};
  }
};

constexpr PlanetRow saturn{.orbit = 6, .depth = 0.5, .moon = "titan", .ringed = true, .mass = 5.7e26, .reason = ""};

TEST(RowKeys, DifferWhereAnyKeyDiffers) {
  const auto differs = [](auto&& change) {
    PlanetRow changed = saturn;
    change(changed);
    return !same_keys(saturn, changed);
  };
  EXPECT_TRUE(differs([](PlanetRow& row) { row.orbit = 7; }));
  EXPECT_TRUE(differs([](PlanetRow& row) { row.depth = 0.25; }));
  EXPECT_TRUE(differs([](PlanetRow& row) { row.moon = "rhea"; }));
  EXPECT_TRUE(differs([](PlanetRow& row) { row.moon = "tita"; }));
  EXPECT_TRUE(differs([](PlanetRow& row) { row.ringed = false; }));
}

TEST(RowKeys, AreNotWhatWasMeasuredOrJudged) {
  PlanetRow changed = saturn;
  changed.mass = 0;
  changed.reason = "timeout";
  EXPECT_TRUE(same_keys(saturn, changed));
}

TEST(RowKeys, HaveOneNanAndOneZero) {
  PlanetRow a = saturn;
  PlanetRow b = saturn;
  a.depth = std::numeric_limits<double>::quiet_NaN();
  b.depth = -a.depth;
  EXPECT_TRUE(same_keys(a, b));
  EXPECT_FALSE(same_keys(a, saturn));
  a.depth = 0.0;
  b.depth = -0.0;
  EXPECT_TRUE(same_keys(a, b));
}

TEST(RowKeys, SurviveTheFile) {
  const test::TemporaryDirectory directory;
  auto record = RecordFile::create(directory / "record.h5");
  record.append(saturn);
  record.commit();
  EXPECT_TRUE(same_keys(RecordFile::resume(directory / "record.h5").read<PlanetRow>().front(), saturn));
}

TEST(RowKeys, RolesAreInTheFileBesideTheColumns) {
  const test::TemporaryDirectory directory;
  auto record = RecordFile::create(directory / "record.h5");
  record.append(saturn);
  EXPECT_EQ(record.attribute("/planets", "columns"),
            AttributeValue(std::vector<std::string>{"orbit", "depth", "moon", "ringed", "mass", "reason"}));
  EXPECT_EQ(record.attribute("/planets", "roles"),
            AttributeValue(std::vector<std::string>{"key", "key", "key", "key", "measure", "verdict"}));
}

}  // namespace
}  // namespace ringworld
