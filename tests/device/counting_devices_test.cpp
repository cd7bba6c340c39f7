#include "device/counting/counting_devices.hpp"

#include <gtest/gtest.h>

#include "device/buffer.hpp"
#include "device/dual_buffer.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

TEST(CountingDevices, HoldWhatNoMachineHas) {
  CountingDevices counting;
  constexpr std::int64_t block = std::int64_t{1} << 36;  // ThreadSanitizer maps no more than some of these
  for (const DeviceKind kind : {DeviceKind::host, DeviceKind::kokkos, DeviceKind::cuda}) {
    const Buffer first(block, kind, MemoryUse::activations);
    {
      const Buffer second(2 * block, kind, MemoryUse::scratch);
      EXPECT_NE(second.data(), nullptr);
    }
    const Buffer third(block, kind, MemoryUse::moments);
    const MemoryAccount account = memory_account(kind);
    EXPECT_EQ(account.current, 2 * block);
    EXPECT_EQ(account.high_water, 3 * block);
    EXPECT_EQ(account.at_high_water[MemoryUse::activations], block);
    EXPECT_EQ(account.at_high_water[MemoryUse::scratch], 2 * block);
    EXPECT_EQ(account.at_high_water[MemoryUse::moments], 0);
  }
}

TEST(CountingDevices, LeaveRealBuffersWithTheirDevice) {
  const std::int64_t before = memory_account().current;
  Buffer real(1000);
  {
    CountingDevices counting;
    EXPECT_EQ(memory_account().current, 0);
    real = Buffer(10);  // given back to the device that it came from; the new one must not outlive the counting
    EXPECT_EQ(memory_account().current, 10);
    real = Buffer();
  }
  EXPECT_EQ(memory_account().current, before);
}

TEST(CountingDevices, KeepDualArraysUsable) {
  CountingDevices counting;
  DualArray<float> values(1000, DeviceKind::cuda);
  values.edit(1000)[999] = 3.0F;
  values.upload(1000);
  values.download(1000);
  EXPECT_EQ(values.read(1000)[999], 3.0F) << "host code has its own side";
  EXPECT_EQ(memory_account(DeviceKind::cuda).current, 4000);
}

TEST(CountingDevices, AreThereOnceAtATime) {
  CountingDevices counting;
  expect_error(ErrorKind::internal, [] { const CountingDevices second; }, {"counted already"});
  EXPECT_EQ(CountingDevices::current(), &counting);
}

TEST(CountingDevices, KeepALimit) {
  CountingDevices counting;
  set_memory_limit(1000, DeviceKind::cuda);
  expect_error(ErrorKind::out_of_memory, [] { const Buffer buffer(1001, DeviceKind::cuda); }, {"limit 1000"});
}

}  // namespace
}  // namespace ringworld::test
