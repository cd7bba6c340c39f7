/// @file  DualArray and HostAccess, on every device that is there.

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "device/dual_buffer.hpp"
#include "device/host_access.hpp"
#include "support/available_device.hpp"

namespace ringworld::test {
namespace {

class StagingTest : public ::testing::TestWithParam<DeviceKind> {
 protected:
  void SetUp() override {
    if (const std::string reason = why_unavailable(GetParam()); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
    device_ = &device(GetParam());
  }

  /// to = from, by the device alone: what kernels would do.
  void copy_on_device(std::span<const float> from, std::span<float> to) {
    device_->copy(to.data(), from.data(), static_cast<std::int64_t>(from.size_bytes()), device_->compute_stream());
  }

  Device* device_ = nullptr;
};

std::vector<float> counted(std::int64_t count, float first) {
  std::vector<float> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), first);
  return values;
}

TEST_P(StagingTest, ADualArrayGoesToTheKernelsAndBack) {
  constexpr std::int64_t count = 1000;
  DualArray<float> there(count, GetParam());
  DualArray<float> back(count, GetParam());
  const std::vector<float> sent = counted(count, 1.0F);
  std::ranges::copy(sent, there.edit(count).begin());
  copy_on_device(there.upload(count), back.device(count));
  back.download(count);
  EXPECT_TRUE(std::ranges::equal(back.read(count), sent));
  EXPECT_TRUE(std::ranges::equal(there.read(count), sent)) << "an upload leaves the host's side as it was";
}

TEST_P(StagingTest, EditingWaitsForTheUploadBefore) {
  constexpr std::int64_t count = 4096;
  DualArray<float> array(count, GetParam());
  std::vector<DualArray<float>> kept;
  for (int pass = 0; pass < 4; ++pass) {
    std::ranges::fill(array.edit(count), static_cast<float>(pass));
    kept.emplace_back(count, GetParam());
    copy_on_device(array.upload(count), kept.back().device(count));
    kept.back().download(count);
  }
  for (std::size_t pass = 0; pass < kept.size(); ++pass) {
    const auto values = kept[pass].read(count);
    EXPECT_TRUE(std::ranges::all_of(values, [&](float value) { return value == static_cast<float>(pass); })) << pass;
  }
}

TEST_P(StagingTest, AnEmptyTransferIsNone) {
  DualArray<float> array(16, GetParam());
  array.upload(0);
  array.download(0);
  EXPECT_TRUE(array.read(0).empty());
  EXPECT_EQ(array.bytes(), 64);
}

TEST_P(StagingTest, HostAccessWritesAndReadsPiecesOfAnySize) {
  constexpr std::int64_t count = 777;
  const Buffer memory(count * static_cast<std::int64_t>(sizeof(float)), GetParam());
  const std::span<float> all(memory.as<float>(), count);
  HostAccess access(GetParam());
  const std::vector<float> sent = counted(count, 5.0F);
  for (const auto& [begin, length] : {std::pair{0, 10}, std::pair{10, 700}, std::pair{710, 67}}) {
    access.write(all.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(length)),
                 [&](std::span<float> values) { std::copy_n(sent.begin() + begin, length, values.begin()); });
  }
  EXPECT_TRUE(std::ranges::equal(access.read(std::span<const float>(all)), sent));
  EXPECT_TRUE(std::ranges::equal(access.read(all.last(3)), std::span(sent).last(3)));
  EXPECT_TRUE(access.read(std::span<float>()).empty());
}

TEST_P(StagingTest, HostMemoryIsUsedInPlace) {
  if (GetParam() != DeviceKind::host) {
    GTEST_SKIP() << "of the host alone";
  }
  const std::int64_t before = memory_account().current;
  DualArray<float> array(100, GetParam());
  EXPECT_EQ(memory_account().current - before, 400);
  EXPECT_EQ(array.edit(1).data(), array.device(1).data());
  EXPECT_EQ(HostAccess(GetParam()).read(array.device(7)).data(), array.device(7).data());
}

INSTANTIATE_TEST_SUITE_P(Devices, StagingTest,
                         ::testing::Values(DeviceKind::host, DeviceKind::kokkos, DeviceKind::cuda),
                         [](const auto& parameter) { return std::string(name_of(parameter.param)); });

}  // namespace
}  // namespace ringworld::test
