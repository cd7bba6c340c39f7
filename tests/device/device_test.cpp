#include "device/device.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/build_info.hpp"
#include "device/buffer.hpp"
#include "support/available_device.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

TEST(HostDevice, DescribesItself) {
  Device& host = device(DeviceKind::host);
  EXPECT_EQ(&host, &host_device());
  EXPECT_EQ(host.kind(), DeviceKind::host);
  EXPECT_FALSE(host.name().empty());
  EXPECT_GT(host.available_bytes(), 0);
}

TEST(CudaDevice, SaysWhichOptionBuildsIt) {
  if (build_info().enabled_backends.find("cuda") != std::string_view::npos) {
    GTEST_SKIP() << "this build has the CUDA device";
  }
  for (const DeviceKind kind : {DeviceKind::cuda, DeviceKind::pinned}) {
    expect_error(ErrorKind::bad_input, [=] { static_cast<void>(device(kind)); }, {"RINGWORLD_ENABLE_CUDA"});
  }
  EXPECT_NO_THROW(choose_device(gpu_kind, 0));
}

TEST(DeviceKind, IsOfItsOwnWhereABackendHasMemoryOfItsOwn) {
  EXPECT_EQ(device_of(Backend::cuda), DeviceKind::cuda);
  EXPECT_EQ(device_of(Backend::kokkos), DeviceKind::kokkos);
  for (const Backend backend : {Backend::reference, Backend::host}) {
    EXPECT_EQ(device_of(backend), DeviceKind::host);
  }
  for (const Backend backend : all_backends) {
    EXPECT_EQ(has_own_memory(device_of(backend)), device_of(backend) != DeviceKind::host) << name_of(backend);
  }
  EXPECT_FALSE(has_own_memory(DeviceKind::pinned)) << "host code reaches it";
  EXPECT_TRUE(has_own_memory(gpu_kind));
}

TEST(HostDevice, IsSharedByAllProcessesOfANode) {
  EXPECT_EQ(host_device().identity(), "");
  EXPECT_NO_THROW(choose_device(DeviceKind::host, 3));
}

/// What each kind of device owes, on those that are there.
class DeviceTest : public ::testing::TestWithParam<DeviceKind> {
 protected:
  void SetUp() override {
    if (const std::string reason = why_unavailable(GetParam()); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
    device_ = &device(GetParam());
  }

  /// Fetches the bytes of a buffer, after all that `stream` holds.
  [[nodiscard]] std::vector<std::uint8_t> contents_of(const Buffer& buffer, Stream& stream) const {
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(buffer.bytes()));
    device_->copy(bytes.data(), buffer.data(), buffer.bytes(), stream);
    stream.synchronize();
    return bytes;
  }

  Device* device_ = nullptr;
};

std::vector<std::uint8_t> counted_bytes(std::int64_t count) {
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(count));
  std::ranges::generate(bytes, [next = 0]() mutable { return static_cast<std::uint8_t>(7 * next++); });
  return bytes;
}

TEST_P(DeviceTest, HasOneComputeStream) {
  EXPECT_EQ(device_->kind(), GetParam());
  EXPECT_FALSE(device_->name().empty());
  EXPECT_GT(device_->available_bytes(), 0);
  EXPECT_EQ(&device_->compute_stream(), &device_->compute_stream());
}

TEST_P(DeviceTest, CopiesInEveryDirection) {
  constexpr std::int64_t bytes = 100'003;
  Stream& stream = device_->compute_stream();
  const std::vector<std::uint8_t> sent = counted_bytes(bytes);
  const Buffer first(bytes, GetParam());
  const Buffer second(bytes, GetParam());
  device_->copy(first.data(), sent.data(), bytes, stream);
  device_->copy(second.data(), first.data(), bytes, stream);
  EXPECT_EQ(contents_of(second, stream), sent);
}

TEST_P(DeviceTest, CopiesAndClearsNoMoreThanItWasTold) {
  constexpr std::int64_t bytes = 1000;
  Stream& stream = device_->compute_stream();
  std::vector<std::uint8_t> expected = counted_bytes(bytes);
  const Buffer buffer(bytes, GetParam());
  device_->copy(buffer.data(), expected.data(), bytes, stream);
  device_->fill_zero(buffer.as<std::uint8_t>() + 101, 203, stream);
  std::fill_n(expected.begin() + 101, 203, std::uint8_t{0});
  device_->copy(buffer.as<std::uint8_t>() + 901, buffer.data(), 50, stream);
  std::copy_n(expected.begin(), 50, expected.begin() + 901);
  EXPECT_EQ(contents_of(buffer, stream), expected);
}

TEST_P(DeviceTest, NothingIsCopiedFromNowhere) {
  EXPECT_NO_THROW(device_->copy(nullptr, nullptr, 0, device_->compute_stream()));
  EXPECT_NO_THROW(device_->fill_zero(nullptr, 0, device_->compute_stream()));
}

TEST_P(DeviceTest, EventsAreInTheOrderOfTheirStream) {
  const std::unique_ptr<Stream> stream = device_->make_stream();
  const std::unique_ptr<Event> start = device_->make_timing_event();
  const std::unique_ptr<Event> end = device_->make_timing_event();
  const Buffer buffer(1 << 20, GetParam());
  start->record(*stream);
  device_->fill_zero(buffer.data(), buffer.bytes(), *stream);
  end->record(*stream);
  end->synchronize();
  EXPECT_TRUE(start->has_happened());
  EXPECT_TRUE(end->has_happened());
  EXPECT_GE(end->seconds_since(*start), 0.0);
  EXPECT_EQ(end->seconds_since(*end), 0.0);
}

TEST_P(DeviceTest, AnEventThatWasNeverRecordedHasHappened) {
  const std::unique_ptr<Event> event = device_->make_event();
  EXPECT_TRUE(event->has_happened());
  event->synchronize();
  device_->compute_stream().wait_for(*event);
  device_->compute_stream().synchronize();
}

TEST_P(DeviceTest, AStreamWaitsForTheEventOfAnother) {
  constexpr std::int64_t bytes = 1 << 20;
  const std::unique_ptr<Stream> producer = device_->make_stream();
  const std::unique_ptr<Stream> consumer = device_->make_stream();
  const std::unique_ptr<Event> is_produced = device_->make_event();
  const std::vector<std::uint8_t> sent = counted_bytes(bytes);
  const Buffer source(bytes, GetParam());
  const Buffer middle(bytes, GetParam());
  const Buffer target(bytes, GetParam());
  device_->copy(source.data(), sent.data(), bytes, *producer);
  for (int index = 0; index < 50; ++index) {  // so that it is not there by accident
    device_->fill_zero(middle.data(), bytes, *producer);
  }
  device_->copy(middle.data(), source.data(), bytes, *producer);
  is_produced->record(*producer);
  consumer->wait_for(*is_produced);
  device_->copy(target.data(), middle.data(), bytes, *consumer);
  EXPECT_EQ(contents_of(target, *consumer), sent);
  EXPECT_TRUE(is_produced->has_happened());
}

TEST_P(DeviceTest, BuffersOfItAreCountedByThemselves) {
  const std::int64_t held = memory_account(GetParam()).current;
  const Buffer buffer(12345, GetParam());
  EXPECT_EQ(memory_account(GetParam()).current, held + 12345);
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % 64, 0U);
}

TEST_P(DeviceTest, WhatItDoesNotHaveIsOutOfMemory) {
  expect_error(ErrorKind::out_of_memory, [this] { const Buffer buffer(std::int64_t{1} << 50, GetParam()); },
               {"out of memory", "available"});
}

INSTANTIATE_TEST_SUITE_P(Kinds, DeviceTest,
                         ::testing::Values(DeviceKind::host, DeviceKind::kokkos, DeviceKind::cuda, DeviceKind::pinned),
                         [](const auto& kind) { return std::string(name_of(kind.param)); });

}  // namespace
}  // namespace ringworld::test
