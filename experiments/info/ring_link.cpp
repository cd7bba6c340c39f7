#include "experiments/info/ring_link.hpp"

#include <cstring>
#include <vector>

#include "device/buffer.hpp"
#include "perf/clock.hpp"
#include "perf/samples.hpp"

namespace ringworld {
namespace {

/// Median seconds of a hop; the slowest rank counts.
double measure_hop(const Ring& ring, Shift& shift, std::int64_t bytes, int repeats) {
  Buffer outgoing;
  Buffer incoming;
  on_every_rank(ring.communicator(), [&] {
    outgoing = Buffer(bytes);
    incoming = Buffer(bytes);
  });
  std::memset(outgoing.data(), 1, static_cast<std::size_t>(bytes));
  std::memset(incoming.data(), 0, static_cast<std::size_t>(bytes));
  const auto size = static_cast<std::size_t>(bytes);
  std::vector<double> samples;
  for (int repeat = -1; repeat < repeats; ++repeat) {
    ring.communicator().barrier();
    const double start = now_seconds();
    shift.start({outgoing.as<std::byte>(), size}, {incoming.as<std::byte>(), size});
    shift.wait();
    const double seconds = ring.communicator().all_reduce(now_seconds() - start, Reduction::max);
    if (repeat >= 0) {  // the first one warms up
      samples.push_back(seconds);
    }
  }
  return summarize(samples).median;
}

}  // namespace

RingLink measure_ring_link(const Ring& ring, std::int64_t bytes) {
  Shift shift(ring);
  const double latency = measure_hop(ring, shift, 1, 200);
  const double seconds = measure_hop(ring, shift, bytes, 9);
  return {.bytes_per_second = static_cast<double>(bytes) / seconds, .latency_seconds = latency};
}

}  // namespace ringworld
