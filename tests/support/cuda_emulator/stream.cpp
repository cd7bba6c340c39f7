#include "support/cuda_emulator/stream.hpp"

#include <algorithm>
#include <thread>
#include <utility>
#include <vector>

#include "support/cuda_emulator/device_memory.hpp"
#include "support/cuda_emulator/guarded_call.hpp"

namespace cuda_emulator {
namespace {

struct Streams {
  CUstream_st default_stream;
  std::vector<std::unique_ptr<CUstream_st>> made;
};

Streams& streams() {
  static Streams instance;
  return instance;
}

CUstream_st& stream_behind(cudaStream_t stream) { return stream == nullptr ? streams().default_stream : *stream; }

}  // namespace

void enqueue(cudaStream_t stream, std::function<void()> work) {
  enqueue_steps(stream, [work = std::move(work)] {
    work();
    return true;
  });
}

void enqueue_steps(cudaStream_t stream, std::function<bool()> step) {
  stream_behind(stream).work.push_back({.run = std::move(step)});
}

void enqueue_endless(cudaStream_t stream) { stream_behind(stream).work.push_back({.run = {}, .is_endless = true}); }

bool run_one(cudaStream_t stream) {
  auto& queue = stream_behind(stream).work;
  if (queue.empty()) {
    return true;
  }
  if (queue.front().is_endless) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return false;
  }
  if (const auto awaited = queue.front().awaited; awaited != nullptr && !awaited->has_passed) {
    run_one(awaited->stream);
    return false;
  }
  Work work = std::move(queue.front());
  queue.pop_front();
  if (work.run) {
    const DeviceAccess access;
    const bool has_ended = work.run();
    check_guards();
    if (!has_ended) {
      queue.push_front(std::move(work));
    }
  }
  return queue.empty();
}

void drain(cudaStream_t stream) {
  while (!run_one(stream)) {
  }
}

void drain_all_streams() {
  // The latest first: the order that a host is least likely to have counted on.
  for (auto stream = streams().made.rbegin(); stream != streams().made.rend(); ++stream) {
    drain(stream->get());
  }
  drain(nullptr);
}

void run_until(const Moment& moment) {
  while (!moment.has_passed) {
    run_one(moment.stream);
  }
}

}  // namespace cuda_emulator

using namespace cuda_emulator;  // NOLINT(google-build-using-namespace): the definitions below are CUDA's

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned /*flags*/) {
  *stream = streams().made.emplace_back(std::make_unique<CUstream_st>()).get();
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int /*priority*/) {
  return cudaStreamCreateWithFlags(stream, flags);
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return guarded_call([&] {
    drain(stream);  // the work of a destroyed stream still runs
    std::erase_if(streams().made, [&](const auto& made) { return made.get() == stream; });
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return guarded_call([&] { drain(stream); });
}

cudaError_t cudaDeviceSynchronize() {
  return guarded_call([] { drain_all_streams(); });
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  bool is_empty = false;
  const cudaError_t code = guarded_call([&] { is_empty = run_one(stream); });
  return code != cudaSuccess || is_empty ? code : cudaErrorNotReady;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned /*flags*/) {
  if (event->moment != nullptr && !event->moment->has_passed) {
    stream_behind(stream).work.push_back({.run = {}, .awaited = event->moment});
  }
  return cudaSuccess;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  enqueue(stream, [=] { function(data); });
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  *event = std::make_unique<CUevent_st>(CUevent_st{.has_time = (flags & cudaEventDisableTiming) == 0}).release();
  return cudaSuccess;
}

cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const std::unique_ptr<CUevent_st> owned(event);
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  event->moment = std::make_shared<Moment>();
  event->moment->stream = stream;
  enqueue(stream, [moment = event->moment] {
    moment->has_passed = true;
    moment->time = std::chrono::steady_clock::now();
  });
  return cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return guarded_call([&] {
    if (event->moment != nullptr) {
      run_until(*event->moment);
    }
  });
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (event->moment == nullptr || event->moment->has_passed) {
    return cudaSuccess;
  }
  // One step at a time: a host that polls gets there, one that asks once does not.
  const cudaError_t code = guarded_call([&] { static_cast<void>(run_one(event->moment->stream)); });
  return code != cudaSuccess || event->moment->has_passed ? code : cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  if (start->moment == nullptr || end->moment == nullptr || !start->has_time || !end->has_time) {
    return cudaErrorInvalidResourceHandle;
  }
  if (!start->moment->has_passed || !end->moment->has_passed) {
    return cudaErrorNotReady;
  }
  *milliseconds = std::chrono::duration<float, std::milli>(end->moment->time - start->moment->time).count();
  return cudaSuccess;
}
