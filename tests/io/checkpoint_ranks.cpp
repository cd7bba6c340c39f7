#include <gtest/gtest.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "io/checkpoint.hpp"
#include "support/expect_error.hpp"
#include "temporary_directory.hpp"

namespace ringworld {
namespace {

namespace fs = std::filesystem;

/// A directory that all ranks know; the root removes it once all are done.
class SharedDirectory {
 public:
  explicit SharedDirectory(const Communicator& communicator) : communicator_(communicator) {
    if (communicator.is_root()) {
      own_.emplace();
    }
    path_ = communicator.broadcast(own_ ? own_->path().string() : std::string(), 0);
  }
  SharedDirectory(const SharedDirectory&) = delete;
  SharedDirectory& operator=(const SharedDirectory&) = delete;
  ~SharedDirectory() { communicator_.barrier(); }

  [[nodiscard]] fs::path operator/(std::string_view name) const { return path_ / name; }

 private:
  Communicator communicator_;
  std::optional<test::TemporaryDirectory> own_;
  fs::path path_;
};

/// Rank `rank` of `ranks` holds every `tp`-th slice along `axis`, and an even part of its elements.
TensorRange part_of(std::vector<std::int64_t> shape, int axis, int tp, int rank, int ranks) {
  TensorRange range{.shape = std::move(shape), .axis = axis};
  std::int64_t elements = range.shape[0] * (range.shape.size() == 2 ? range.shape[1] : 1);
  const int slices = axis == TensorRange::whole ? 1 : tp;
  if (axis != TensorRange::whole) {
    const std::int64_t extent = range.shape[static_cast<std::size_t>(axis)];
    const int slice = rank % slices;
    range.slice_begin = extent * slice / slices;
    range.slice_count = extent * (slice + 1) / slices - range.slice_begin;
    elements = elements / extent * range.slice_count;
  }
  const int sharers = ranks / slices;
  const int share = rank / slices;
  if (share < sharers) {
    range.begin = elements * share / sharers;
    range.end = elements * (share + 1) / sharers;
  }
  return range;
}

float value_at(std::int64_t row, std::int64_t column, std::int64_t columns) {
  return static_cast<float>(row * columns + column) + 0.25F;
}

std::vector<float> values_of(const TensorRange& range) {
  const std::int64_t columns = range.shape.size() == 2 ? range.shape[1] : 1;
  std::vector<float> values;
  for (const TensorBox& box : boxes_of(range)) {
    for (std::int64_t row = box.row; row < box.row + box.rows; ++row) {
      for (std::int64_t column = box.column; column < box.column + box.columns; ++column) {
        values.push_back(value_at(row, column, columns));
      }
    }
  }
  return values;
}

const std::vector<std::vector<std::int64_t>> shapes{{7, 5}, {1, 13}, {13, 1}, {11}, {64, 48}};

TEST(Checkpoint, RangesAreRectanglesOfTheTensor) {
  // Columns 3..6 of a (4, 8) tensor: a slice of width 3.
  const TensorRange range{.shape = {4, 8}, .axis = 1, .slice_begin = 3, .slice_count = 3, .begin = 2, .end = 10};
  EXPECT_EQ(boxes_of(range), (std::vector<TensorBox>{{0, 5, 1, 1}, {1, 3, 2, 3}, {3, 3, 1, 1}}));
  EXPECT_EQ(boxes_of({.shape = {9}, .begin = 2, .end = 7}), (std::vector<TensorBox>{{2, 0, 5, 1}}));
  EXPECT_TRUE(boxes_of({.shape = {9}, .begin = 4, .end = 4}).empty());
  EXPECT_EQ(boxes_of({.shape = {4, 8}, .begin = 9, .end = 12}), (std::vector<TensorBox>{{1, 1, 1, 3}}));
}

TEST(Checkpoint, IsReadByOtherRanksAndSlicesThanWroteIt) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  const fs::path path = directory / "model.h5";
  // Writers cut into slices along rows; readers are one rank fewer, and cut along columns or not at all.
  const int tp = world.size() % 2 == 0 ? 2 : 1;
  {
    CheckpointWriter writer(world, path);
    for (std::size_t index = 0; index < shapes.size(); ++index) {
      const TensorRange mine = part_of(shapes[index], 0, tp, world.rank(), world.size());
      writer.write("group/tensor." + std::to_string(index), mine, values_of(mine));
    }
    writer.set_attribute("step", std::int64_t{12});
    writer.set_attribute("text", std::string(100'000, 'x'));
    writer.set_attribute("rate", 0.5);
    writer.publish();
  }
  const int readers = std::max(1, world.size() - 1);
  const Communicator fewer = world.split(world.rank() < readers ? 0 : -1, world.rank());
  if (!fewer.is_null()) {
    const CheckpointReader reader(fewer, path);
    EXPECT_EQ(reader.attribute("step"), AttributeValue(std::int64_t{12}));
    EXPECT_EQ(reader.attribute("text"), AttributeValue(std::string(100'000, 'x')));
    EXPECT_EQ(reader.attribute("rate"), AttributeValue(0.5));
    for (std::size_t index = 0; index < shapes.size(); ++index) {
      for (const int axis : {TensorRange::whole, static_cast<int>(shapes[index].size()) - 1}) {
        const int slices = readers % 2 == 0 && shapes[index].back() > 1 ? 2 : 1;
        const TensorRange mine = part_of(shapes[index], axis, slices, fewer.rank(), readers);
        std::vector<float> values(static_cast<std::size_t>(mine.size()), -1.0F);
        reader.read("group/tensor." + std::to_string(index), mine, values);
        EXPECT_EQ(values, values_of(mine)) << "tensor " << index << " along " << axis;
      }
    }
  }
  world.barrier();
}

TEST(Checkpoint, LeavesTheOldFileWholeUntilItIsPublished) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  const fs::path path = directory / "model.h5";
  const TensorRange mine = part_of({8, 3}, TensorRange::whole, 1, world.rank(), world.size());
  for (const std::int64_t step : {1, 2}) {
    CheckpointWriter writer(world, path);
    writer.write("weight", mine, values_of(mine));
    writer.set_attribute("step", step);
    if (step == 1) {
      writer.publish();
    }  // the second is given up, as by a kill
  }
  const CheckpointReader reader(world, path);
  EXPECT_EQ(reader.attribute("step"), AttributeValue(std::int64_t{1}));
  std::vector<float> values(static_cast<std::size_t>(mine.size()));
  reader.read("weight", mine, values);
  EXPECT_EQ(values, values_of(mine));
}

TEST(Checkpoint, ErrorsNameFileAndDataset) {
  const Communicator world = Communicator::world();
  const SharedDirectory directory(world);
  const fs::path path = directory / "model.h5";
  const TensorRange mine = part_of({8, 3}, TensorRange::whole, 1, world.rank(), world.size());
  {
    CheckpointWriter writer(world, path);
    writer.write("weight", mine, values_of(mine));
    writer.publish();
  }
  const CheckpointReader reader(world, path);
  std::vector<float> values(static_cast<std::size_t>(mine.size()));
  test::expect_error(ErrorKind::bad_input, [&] { reader.read("bias", mine, values); }, {"model.h5", "'bias'"});
  TensorRange other = mine;
  other.shape = {3, 8};
  test::expect_error(ErrorKind::bad_input, [&] { reader.read("weight", other, values); },
                     {"model.h5", "'weight'", "(8, 3)", "(3, 8)"});
  EXPECT_FALSE(reader.attribute("step").has_value());
  test::expect_error(ErrorKind::bad_input, [&] { static_cast<void>(reader.describe("bias")); }, {"model.h5", "'bias'"});
  EXPECT_EQ(reader.describe("weight").shape, mine.shape);
  test::expect_error(ErrorKind::bad_input, [&] { const CheckpointReader none(world, directory / "none.h5"); },
                     {"none.h5", "no such file"});
  test::expect_error(ErrorKind::bad_input, [&] { const CheckpointWriter none(world, directory / "no" / "x.h5"); },
                     {"x.h5", "no directory"});
  if (world.is_root()) {
    test::write_text(directory / "text.h5", "not HDF5");
  }
  world.barrier();
  test::expect_error(ErrorKind::bad_input, [&] { const CheckpointReader none(world, directory / "text.h5"); },
                     {"text.h5", "not an HDF5 file"});
}

}  // namespace
}  // namespace ringworld
