#include "io/tensor_file.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/file.h>

#include <array>
#include <numeric>

#include "expect_error.hpp"
#include "foreign_file.hpp"
#include "io/descriptor.hpp"
#include "temporary_directory.hpp"

namespace ringworld {
namespace {

using test::expect_bad_input;
using test::TemporaryDirectory;

using Shape = std::vector<std::int64_t>;

/// 0, 1, 2, ... as a (4, 3, 2) tensor, written in two parts.
void write_counting_tensor(const std::filesystem::path& path) {
  auto writer = TensorWriter::create(path);
  writer.add("group/q", Shape{4, 3, 2}, "queries");
  std::vector<float> values(12);
  std::iota(values.begin(), values.end(), 0.0F);
  writer.write("group/q", {.start = {0, 0, 0}, .count = {2, 3, 2}}, values);
  std::iota(values.begin(), values.end(), 12.0F);
  writer.write("group/q", {.start = {2, 0, 0}, .count = {2, 3, 2}}, values);
  writer.finish();
}

TEST(TensorFile, ReadsThePartsThatWereWritten) {
  const TemporaryDirectory directory;
  write_counting_tensor(directory / "q.h5");
  const auto reader = TensorReader::open(directory / "q.h5");
  EXPECT_TRUE(reader.has("group/q"));
  EXPECT_FALSE(reader.has("group/k"));
  EXPECT_FALSE(reader.has("no/group"));
  const auto info = reader.describe("group/q");
  EXPECT_EQ(info.shape, (Shape{4, 3, 2}));
  EXPECT_EQ(info.type.kind, ElementKind::floating);
  EXPECT_EQ(info.type.name, "float32");

  std::vector<float> all(24);
  reader.read("group/q", {.start = {0, 0, 0}, .count = {4, 3, 2}}, all);
  EXPECT_EQ(all[23], 23.0F);
  std::vector<float> part(4);
  reader.read("group/q", {.start = {1, 2, 0}, .count = {2, 1, 2}, .stride = {2, 1, 1}}, part);
  EXPECT_EQ(part, (std::vector<float>{10, 11, 22, 23}));
  std::vector<float> none;
  reader.read("group/q", {.start = {4, 0, 0}, .count = {0, 3, 2}}, none);
}

TEST(TensorFile, WritesStridedParts) {
  const TemporaryDirectory directory;
  auto writer = TensorWriter::create(directory / "out.h5");
  writer.add("lse", Shape{6});
  for (std::int64_t rank = 0; rank < 2; ++rank) {
    const std::vector<float> values(3, static_cast<float>(rank + 1));
    writer.write("lse", {.start = {rank}, .count = {3}, .stride = {2}}, values);
  }
  writer.finish();
  std::vector<float> values(6);
  TensorReader::open(directory / "out.h5").read("lse", {.start = {0}, .count = {6}}, values);
  EXPECT_EQ(values, (std::vector<float>{1, 2, 1, 2, 1, 2}));
}

TEST(TensorFile, ReadsNumbersOfEverySize) {
  const TemporaryDirectory directory;
  test::write_foreign_file(directory / "in.h5");
  const auto reader = TensorReader::open(directory / "in.h5");
  const Hyperslab all{.start = {0}, .count = {3}};
  std::vector<float> values(3);
  reader.read("float64", all, values);
  EXPECT_EQ(values, (std::vector<float>{0.1F, -2.0F, 3.0F}));
  reader.read("float16", all, values);
  EXPECT_EQ(values, (std::vector<float>{0.0999755859375F, -2.0F, 3.0F}));
  EXPECT_EQ(reader.describe("float16").type.name, "float16");
  reader.read("bfloat16", all, values);
  EXPECT_EQ(values, (std::vector<float>{1.0F, -2.0F, 3.0F}));
  EXPECT_EQ(reader.describe("bfloat16").type.kind, ElementKind::bfloat16);
  std::vector<std::int32_t> ids(3);
  for (const char* const name : {"int32", "int64"}) {
    reader.read(name, all, ids);
    EXPECT_EQ(ids, (std::vector<std::int32_t>{7, -8, 9})) << name;
    EXPECT_EQ(reader.describe(name).type.kind, ElementKind::integer);
  }
  reader.read("bool", all, ids);
  EXPECT_EQ(ids, (std::vector<std::int32_t>{1, 0, 1}));
  EXPECT_EQ(reader.describe("bool").type.kind, ElementKind::boolean);
}

TEST(TensorFile, NamesTheIntegerThatDoesNotFit) {
  const TemporaryDirectory directory;
  test::write_foreign_file(directory / "in.h5");
  const auto reader = TensorReader::open(directory / "in.h5");
  std::vector<std::int32_t> ids(2);
  expect_bad_input([&] { reader.read("uint64", {.start = {1}, .count = {2}}, ids); },
                   {"'uint64'", "in.h5", "at (1)", "int32 cannot hold"});
  reader.read("uint64", {.start = {0}, .count = {2}, .stride = {2}}, ids);
  EXPECT_EQ(ids, (std::vector<std::int32_t>{7, 9}));
}

TEST(TensorFile, RefusesOtherElementTypes) {
  const TemporaryDirectory directory;
  test::write_foreign_file(directory / "in.h5");
  const auto reader = TensorReader::open(directory / "in.h5");
  const Hyperslab all{.start = {0}, .count = {3}};
  std::vector<float> values(3);
  std::vector<std::int32_t> ids(3);
  expect_bad_input([&] { reader.read("int32", all, values); },
                   {"'int32'", "in.h5", "holds int32", "bfloat16, float32"});
  expect_bad_input([&] { reader.read("bool", all, values); }, {"holds bool", "float32 or float64"});
  expect_bad_input([&] { reader.read("complex", all, values); }, {"holds a compound type", "float32 or float64"});
  expect_bad_input([&] { reader.read("float64", all, ids); }, {"'float64'", "holds float64", "an integer type"});
}

TEST(TensorFile, ReadsTheAttributesOfOtherWriters) {
  const TemporaryDirectory directory;
  test::write_foreign_file(directory / "in.h5");
  const auto reader = TensorReader::open(directory / "in.h5");
  const auto value = [&](const char* name) { return reader.attribute(name).value(); };
  EXPECT_EQ(as_text(value("fixed_text")), "half_split");
  EXPECT_EQ(as_text(value("padded_text")), "half_split");
  EXPECT_EQ(as_integer(value("one_number")), 101);
  EXPECT_EQ(as_number(value("one_number")), 101.0);
  EXPECT_EQ(value("real_list"), AttributeValue(std::vector<double>{0.5, 2}));
  EXPECT_EQ(as_number(value("real_list")), std::nullopt);
  EXPECT_EQ(value("truth_list"), AttributeValue(std::vector<std::int64_t>{1, 0}));
  EXPECT_FALSE(reader.attribute("nothing").has_value());
  expect_bad_input([&] { static_cast<void>(reader.attribute("pair")); }, {"'pair'", "text"});
}

TEST(TensorFile, RefusesOtherShapes) {
  const TemporaryDirectory directory;
  write_counting_tensor(directory / "q.h5");
  const auto reader = TensorReader::open(directory / "q.h5");
  std::vector<float> values(6);
  expect_bad_input([&] { reader.read("group/q", {.start = {0, 0}, .count = {3, 2}}, values); },
                   {"'group/q'", "q.h5", "(4, 3, 2)", "2 dimensions"});
  expect_bad_input([&] { reader.read("group/q", {.start = {4, 0, 0}, .count = {1, 3, 2}}, values); },
                   {"'group/q'", "(4, 3, 2)", "at least 5 elements", "dimension 0"});
  expect_bad_input([&] { reader.require_shape("group/q", Shape{4, 3, 3}); }, {"(4, 3, 2)", "(4, 3, 3)"});
  reader.require_shape("group/q", Shape{4, 3, 2});
  values.resize(5);
  EXPECT_THROW(reader.read("group/q", {.start = {0, 0, 0}, .count = {1, 3, 2}}, values), Error);
}

TEST(TensorFile, SaysWhatIsMissing) {
  const TemporaryDirectory directory;
  write_counting_tensor(directory / "q.h5");
  const auto reader = TensorReader::open(directory / "q.h5");
  expect_bad_input([&] { static_cast<void>(reader.describe("k")); }, {"q.h5", "no dataset 'k'"});
  expect_bad_input([&] { static_cast<void>(reader.describe("group/q/deeper")); }, {"no dataset 'group/q/deeper'"});
  expect_bad_input([&] { static_cast<void>(reader.describe("group")); }, {"'group'", "cannot be opened"});
  expect_bad_input([&] { static_cast<void>(TensorReader::open(directory / "none.h5")); },
                   {"none.h5", "there is no such file"});
  expect_bad_input([&] { static_cast<void>(TensorReader::open(directory.path())); }, {"not a file"});
}

TEST(TensorFile, RefusesDamagedFiles) {
  const TemporaryDirectory directory;
  write_counting_tensor(directory / "q.h5");
  const auto whole = test::read_text(directory / "q.h5");
  test::write_text(directory / "cut.h5", std::string_view(whole).substr(0, whole.size() - 1));
  expect_bad_input([&] { static_cast<void>(TensorReader::open(directory / "cut.h5")); }, {"cut.h5", "truncated"});
  test::write_text(directory / "text.h5", "q,k,v\n");
  expect_bad_input([&] { static_cast<void>(TensorReader::open(directory / "text.h5")); },
                   {"text.h5", "not an HDF5 file"});
}

TEST(TensorFile, SaysWhatToDoAboutALockOfAnotherProgram) {
  const TemporaryDirectory directory;
  write_counting_tensor(directory / "q.h5");
  const Descriptor other(::open((directory / "q.h5").c_str(), O_RDWR));
  ASSERT_EQ(::flock(other.get(), LOCK_EX | LOCK_NB), 0);
  expect_bad_input([&] { static_cast<void>(TensorReader::open(directory / "q.h5")); },
                   {"q.h5", "unable to lock file", "HDF5_USE_FILE_LOCKING=FALSE"});
}

TEST(TensorFile, AppearsWhenFinishedAndNotBefore) {
  const TemporaryDirectory directory;
  test::write_text(directory / "out.h5", "old");
  {
    auto writer = TensorWriter::create(directory / "out.h5");
    writer.add("out", Shape{2});
    EXPECT_EQ(test::read_text(directory / "out.h5"), "old");
  }
  EXPECT_EQ(test::read_text(directory / "out.h5"), "old");
  EXPECT_EQ(directory.file_count(), 1);
  write_counting_tensor(directory / "out.h5");
  EXPECT_TRUE(TensorReader::open(directory / "out.h5").has("group/q"));
  EXPECT_EQ(directory.file_count(), 1);
}

TEST(TensorFile, RefusesAnOutputThatCannotBeWritten) {
  const TemporaryDirectory directory;
  expect_bad_input([&] { static_cast<void>(TensorWriter::create(directory / "missing/out.h5")); },
                   {"missing/out.h5", "there is no directory"});
}

}  // namespace
}  // namespace ringworld
