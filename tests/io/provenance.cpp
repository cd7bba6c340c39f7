#include "io/provenance.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>  // setenv

#include <regex>

#include "core/build_info.hpp"
#include "temporary_directory.hpp"

namespace ringworld {
namespace {

RunDescription sample_run() {
  return {.arguments = {"ringworld", "attention", "--output", "a file.h5"},
          .configuration = "[attention]\nheads = 8\n",
          .seeds = {1, 2},
          .ranks = {describe_this_process(0), describe_this_process(1)},
          .extra = {{"mpi_library", std::string("Some MPI 1.0")}}};
}

std::string text_of(const RecordFile& record, const std::string& group, const std::string& name) {
  return std::get<std::string>(record.attribute(group, name).value());
}

TEST(Provenance, SaysWhatRanAndHow) {
  const test::TemporaryDirectory directory;
  ::setenv("OMP_NUM_THREADS", "2", 1);
  {
    auto record = RecordFile::create(directory / "run.h5");
    EXPECT_EQ(begin_provenance(record, sample_run()).group, "/provenance");
    record.commit();
  }
  const auto record = RecordFile::resume(directory / "run.h5");
  EXPECT_EQ(text_of(record, "/provenance", "git_revision"), build_info().git_revision);
  EXPECT_EQ(record.attribute("/provenance", "git_is_dirty"), AttributeValue(build_info().git_is_dirty));
  EXPECT_EQ(text_of(record, "/provenance", "configuration"), sample_run().configuration);
  EXPECT_EQ(record.attribute("/provenance", "argv"), AttributeValue(sample_run().arguments));
  EXPECT_EQ(record.attribute("/provenance", "seeds"), AttributeValue(sample_run().seeds));
  EXPECT_EQ(text_of(record, "/provenance", "mpi_library"), "Some MPI 1.0");
  EXPECT_EQ(text_of(record, "/provenance/environment", "OMP_NUM_THREADS"), "2");
  EXPECT_EQ(record.read<RankRow>().at(1).rank, 1);
}

TEST(Provenance, HasNoEndUntilTheRunEnds) {
  const test::TemporaryDirectory directory;
  auto record = RecordFile::create(directory / "run.h5");
  const auto group = begin_provenance(record, sample_run()).group;
  EXPECT_EQ(text_of(record, group, "utc_end"), "");
  end_provenance(record, group);
  EXPECT_GE(text_of(record, group, "utc_end"), text_of(record, group, "utc_start"));
}

TEST(Provenance, KeepsThatOfTheRunsBefore) {
  const test::TemporaryDirectory directory;
  auto record = RecordFile::create(directory / "run.h5");
  EXPECT_EQ(begin_provenance(record, sample_run()).group, "/provenance");
  auto later = sample_run();
  later.arguments = {"later"};
  EXPECT_EQ(begin_provenance(record, later).group, "/provenance/resume_1");
  EXPECT_EQ(begin_provenance(record, later).number, 2);
  EXPECT_EQ(record.attribute("/provenance", "argv"), AttributeValue(sample_run().arguments));
  EXPECT_EQ(record.attribute("/provenance/resume_1", "argv"), AttributeValue(later.arguments));
  const auto ranks = record.read<RankRow>();
  ASSERT_EQ(ranks.size(), 6U);
  EXPECT_EQ(ranks[1].run, 0);
  EXPECT_EQ(ranks[5].run, 2);
}

TEST(UtcNow, IsIso8601) {
  EXPECT_TRUE(std::regex_match(utc_now(), std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"))) << utc_now();
}

}  // namespace
}  // namespace ringworld
