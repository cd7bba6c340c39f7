#include "experiments/common/ring_link.hpp"

#include <vector>

#include "core/activity.hpp"
#include "core/clock.hpp"
#include "device/buffer.hpp"
#include "perf/samples.hpp"

namespace ringworld {
namespace {

/// Seconds of a hop; the slowest rank counts.
SampleSummary measure_hop(const Ring& ring, Shift& shift, std::int64_t bytes, DeviceKind memory, int repeats) {
  Buffer outgoing;
  Buffer incoming;
  on_every_rank(ring.communicator(), [&] {
    outgoing = Buffer(bytes, memory);
    incoming = Buffer(bytes, memory);
  });
  Stream& compute = device(memory).compute_stream();
  // So that every page is there.
  device(memory).fill_zero(outgoing.data(), bytes, compute);
  device(memory).fill_zero(incoming.data(), bytes, compute);
  const auto size = static_cast<std::size_t>(bytes);
  std::vector<double> samples;
  for (int repeat = -1; repeat < repeats; ++repeat) {
    compute.synchronize();
    ring.communicator().barrier();
    const double start = now_seconds();
    shift.start(ring.neighbours(), {outgoing.as<std::byte>(), size}, {incoming.as<std::byte>(), size});
    {
      const WaitPhase wait("waiting for a hop from rank {}", ring.communicator().rank_in_job(ring.previous()));
      shift.wait();
    }
    compute.synchronize();
    const double seconds = ring.communicator().all_reduce(now_seconds() - start, Reduction::max);
    if (repeat >= 0) {  // the first one warms up
      samples.push_back(seconds);
    }
  }
  return summarize(samples);
}

}  // namespace

RingLink measure_ring_link(const Ring& ring, std::int64_t bytes, DeviceKind memory) {
  Shift shift(ring.communicator(), {.memory = memory});
  const double latency = measure_hop(ring, shift, 1, memory, 200).median;
  const SampleSummary seconds = measure_hop(ring, shift, bytes, memory, 9);
  const auto count = static_cast<double>(bytes);
  return {.bytes_per_second = count / seconds.median,
          .latency_seconds = latency,
          .lowest = count / seconds.max,
          .highest = count / seconds.min};
}

}  // namespace ringworld
