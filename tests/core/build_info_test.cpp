#include "core/build_info.hpp"

#include <gtest/gtest.h>

namespace ringworld::test {
namespace {

TEST(BuildInfo, SaysWhatTheBinaryWasBuiltFrom) {
  const BuildInfo& info = build_info();
  EXPECT_FALSE(info.version.empty());
  EXPECT_FALSE(info.git_revision.empty());
  EXPECT_FALSE(info.compiler.empty());
  EXPECT_FALSE(info.build_type.empty());
  EXPECT_NE(info.enabled_backends.find("reference"), std::string_view::npos);
  EXPECT_NE(info.enabled_backends.find("host"), std::string_view::npos);
  EXPECT_NE(info.library_versions.find("MPI"), std::string_view::npos);
  EXPECT_NE(info.library_versions.find("HDF5"), std::string_view::npos);
}

TEST(BuildInfo, RevisionIsACommitOrUnknown) {
  const std::string_view revision = build_info().git_revision;
  if (revision == "unknown") {
    EXPECT_FALSE(build_info().git_is_dirty);
    return;
  }
  EXPECT_EQ(revision.size(), 40U);
  EXPECT_EQ(revision.find_first_not_of("0123456789abcdef"), std::string_view::npos);
}

}  // namespace
}  // namespace ringworld::test
