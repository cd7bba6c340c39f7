#include "device/profile.hpp"

#include <gtest/gtest.h>

#include <string>

#include "core/error.hpp"
#include "device/buffer.hpp"
#include "support/available_device.hpp"

namespace ringworld::test {
namespace {

/// A device whose clock stands still until a test moves it.
class ScriptedDevice final : public Device {
 public:
  double now = 0;

  [[nodiscard]] DeviceKind kind() const override { return DeviceKind::host; }
  [[nodiscard]] DeviceKind staging() const override { return DeviceKind::host; }
  [[nodiscard]] std::string name() const override { return "scripted"; }
  [[nodiscard]] std::int64_t available_bytes() const override { return 0; }
  [[nodiscard]] void* allocate(std::int64_t /*bytes*/) override { return nullptr; }
  void release(void* /*data*/, std::int64_t /*bytes*/) noexcept override {}
  [[nodiscard]] std::unique_ptr<Stream> make_stream() override { return std::make_unique<NoStream>(); }
  [[nodiscard]] std::unique_ptr<Event> make_event() override {
    ++events;
    return std::make_unique<Moment>(*this);
  }
  [[nodiscard]] Stream& compute_stream() override { return stream_; }
  void copy(void* /*to*/, const void* /*from*/, std::int64_t /*bytes*/, Stream& /*stream*/) override {}
  void fill_zero(void* /*to*/, std::int64_t /*bytes*/, Stream& /*stream*/) override {}

  int events = 0;

 private:
  class NoStream final : public Stream {
   public:
    void synchronize() override {}
    void wait_for(const Event& /*event*/) override {}
  };
  class Moment final : public Event {
   public:
    explicit Moment(const ScriptedDevice& device) : device_(device) {}
    void record(Stream& /*stream*/) override { time_ = device_.now; }
    [[nodiscard]] bool has_happened() const override { return true; }
    void synchronize() const override {}
    [[nodiscard]] double seconds_since(const Event& earlier) const override {
      return time_ - dynamic_cast<const Moment&>(earlier).time_;
    }

   private:
    const ScriptedDevice& device_;
    double time_ = 0;
  };

  NoStream stream_;
};

TEST(Profile, AnInnerScopesTimeIsItsOwn) {
  ScriptedDevice device;
  Profile profile(device);
  profile.start();
  device.now += 100;  // in no scope
  {
    const auto outer = profile.scope(Work::elementwise);
    device.now += 1;
    {
      const auto inner = profile.scope(Work::product);
      device.now += 10;
    }
    device.now += 2;
  }
  device.now += 100;
  const WorkSeconds work = profile.collect();
  EXPECT_EQ(work[Work::product], 10);
  EXPECT_EQ(work[Work::elementwise], 3);
  EXPECT_EQ(work[Work::attention], 0);
  EXPECT_EQ(work[Work::communication], 0);
  EXPECT_EQ(work.total(), 13);
}

TEST(Profile, CollectsAnewEachTimeAndUsesItsEventsAgain) {
  ScriptedDevice device;
  Profile profile(device);
  profile.start();
  for (int step = 1; step <= 3; ++step) {
    for (int pass = 0; pass < 2; ++pass) {
      const auto scope = profile.scope(Work::attention);
      device.now += step;
    }
    EXPECT_EQ(profile.collect()[Work::attention], 2 * step);
  }
  EXPECT_EQ(profile.collect().total(), 0);
  EXPECT_EQ(device.events, 4);
}

TEST(Profile, CountsNothingBeforeItStarts) {
  ScriptedDevice device;
  Profile profile(device);
  {
    const auto scope = profile.scope(Work::attention);
    device.now += 1;
  }
  profile.start();
  EXPECT_EQ(profile.collect().total(), 0);
  EXPECT_EQ(device.events, 0);
}

TEST(Profile, RefusesToCollectInsideAScope) {
  ScriptedDevice device;
  Profile profile(device);
  profile.start();
  const auto scope = profile.scope(Work::attention);
  EXPECT_THROW(static_cast<void>(profile.collect()), Error);
}

TEST(Profile, MeasuresByTheGpusClock) {
  if (const std::string reason = why_unavailable(DeviceKind::cuda); !reason.empty()) {
    GTEST_SKIP() << reason;
  }
  Device& gpu = device(DeviceKind::cuda);
  Profile profile(gpu);
  profile.start();
  const Buffer buffer(1 << 20, DeviceKind::cuda);
  {
    const auto scope = profile.scope(Work::elementwise);
    gpu.fill_zero(buffer.data(), buffer.bytes(), gpu.compute_stream());
  }
  const WorkSeconds work = profile.collect();
  EXPECT_GT(work[Work::elementwise], 0);
  EXPECT_EQ(work.total(), work[Work::elementwise]);
}

}  // namespace
}  // namespace ringworld::test
