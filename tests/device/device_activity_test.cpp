/// @file  What a process says of work that it has given to a device: which part is at hand, and when it gets on.

#include "device/device_activity.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace ringworld::test {
namespace {

/// A device on which nothing ends before a test says so.
class HeldDevice final : public Device {
 public:
  explicit HeldDevice(DeviceKind kind = DeviceKind::cuda) : kind_(kind) {}

  int passed = 0;  ///< of the events recorded so far, in their order

  [[nodiscard]] DeviceKind kind() const override { return kind_; }
  [[nodiscard]] DeviceKind staging() const override { return DeviceKind::host; }
  [[nodiscard]] std::string name() const override { return "held"; }
  [[nodiscard]] std::int64_t available_bytes() const override { return 0; }
  [[nodiscard]] void* allocate(std::int64_t /*bytes*/) override { return nullptr; }
  void release(void* /*data*/, std::int64_t /*bytes*/) noexcept override {}
  [[nodiscard]] std::unique_ptr<Stream> make_stream() override { return std::make_unique<NoStream>(); }
  [[nodiscard]] std::unique_ptr<Event> make_event() override { return std::make_unique<HeldEvent>(*this); }
  [[nodiscard]] Stream& compute_stream() override { return stream_; }
  void copy(void* /*to*/, const void* /*from*/, std::int64_t /*bytes*/, Stream& /*stream*/) override {}
  void fill_zero(void* /*to*/, std::int64_t /*bytes*/, Stream& /*stream*/) override {}

 private:
  class NoStream final : public Stream {
   public:
    void synchronize() override {}
    void wait_for(const Event& /*event*/) override {}
  };
  class HeldEvent final : public Event {
   public:
    explicit HeldEvent(HeldDevice& device) : device_(device) {}
    void record(Stream& /*stream*/) override { number_ = ++device_.recorded_; }
    [[nodiscard]] bool has_happened() const override { return number_ <= device_.passed; }
    void synchronize() const override {}
    [[nodiscard]] double seconds_since(const Event& /*earlier*/) const override { return 0; }

   private:
    HeldDevice& device_;
    int number_ = 0;
  };

  DeviceKind kind_;
  int recorded_ = 0;
  NoStream stream_;
};

class DeviceActivityTest : public ::testing::Test {
 protected:
  ~DeviceActivityTest() override {
    device_.passed = 1000;
    DeviceActivity().sample();  // the process forgets the marks of this test
  }

  HeldDevice device_;
};

TEST_F(DeviceActivityTest, NamesTheFirstWorkThatHasNotEnded) {
  mark_device_work(device_, {.text = "ring step 1"});
  mark_device_work(device_, {.text = "hop 1", .is_waiting = true});
  DeviceActivity activity;
  activity.sample();
  EXPECT_EQ(current_activity().phase, "ring step 1");
  EXPECT_FALSE(current_activity().is_waiting);
  device_.passed = 1;
  activity.sample();
  EXPECT_EQ(current_activity().phase, "hop 1");
  EXPECT_TRUE(current_activity().is_waiting);
  device_.passed = 2;
  activity.sample();
  EXPECT_EQ(current_activity().phase, "");
}

TEST_F(DeviceActivityTest, GetsOnOnlyWhenTheDeviceDoes) {
  mark_device_work(device_, {.text = "ring step 1"});
  mark_device_work(device_, {.text = "ring step 2"});
  std::vector<std::uint64_t> progress;
  std::vector<std::string> phases;
  int polls = 0;
  wait_for_device([&] {
    device_.passed = polls < 100 ? 0 : polls < 200 ? 1 : 2;
    progress.push_back(current_activity().progress);
    phases.push_back(current_activity().phase);
    return ++polls > 300;
  });
  EXPECT_EQ(progress[2], progress[99]) << "nothing but time has passed";
  EXPECT_LT(progress[99], progress[110]);
  EXPECT_EQ(progress[110], progress[199]);
  EXPECT_LT(progress[199], progress[210]);
  EXPECT_EQ(phases[50], "waiting for the GPU, ring step 1");
  EXPECT_EQ(phases[150], "waiting for the GPU, ring step 2");
  EXPECT_EQ(phases[250], "waiting for the GPU");
  EXPECT_EQ(current_activity().phase, "");
}

TEST_F(DeviceActivityTest, WorkThatHasEndedIsNoWait) {
  const std::uint64_t before = current_activity().progress;
  wait_for_device([] { return true; });
  EXPECT_EQ(current_activity().progress, before);
}

TEST_F(DeviceActivityTest, SaysNothingOfTheHost) {
  HeldDevice host(DeviceKind::host);
  mark_device_work(host, {.text = "ring step 1"});
  DeviceActivity activity;
  activity.sample();
  EXPECT_EQ(current_activity().phase, "");
}

}  // namespace
}  // namespace ringworld::test
