#include "device/device.hpp"

#include <gtest/gtest.h>

#include "core/build_info.hpp"
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

TEST(HostDevice, EventsAreInTheOrderOfTheirStream) {
  const std::unique_ptr<Stream> stream = host_device().make_stream();
  const std::unique_ptr<Event> start = host_device().make_event();
  const std::unique_ptr<Event> end = host_device().make_event();
  start->record(*stream);
  stream->synchronize();
  end->record(*stream);
  EXPECT_GE(end->seconds_since(*start), 0.0);
  EXPECT_EQ(end->seconds_since(*end), 0.0);
  EXPECT_EQ(start->seconds_since(*end), -end->seconds_since(*start));
}

TEST(CudaDevice, SaysWhichOptionBuildsIt) {
  if (build_info().enabled_backends.find("cuda") != std::string_view::npos) {
    GTEST_SKIP() << "this build has the CUDA device";
  }
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(cuda_device()); }, {"RINGWORLD_ENABLE_CUDA"});
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(device(DeviceKind::cuda)); }, {"RINGWORLD_ENABLE_CUDA"});
}

}  // namespace
}  // namespace ringworld::test
