#pragma once
/// @file  Streams of the emulated device: queues that nothing empties until somebody waits.
///
/// So work runs as late as it may. Host code that reads a result without waiting finds what was there before; a stream
/// that needs another's result without waiting for its event finds it missing.

#include <cuda_runtime_api.h>

#include <chrono>
#include <deque>
#include <functional>
#include <memory>

namespace cuda_emulator {

struct Moment {
  CUstream_st* stream = nullptr;
  bool has_passed = false;
  std::chrono::steady_clock::time_point time;
};

/// Adds work to the end of a stream; null is the default stream. It runs with access to device memory, and errors of it are
/// returned by whatever call makes it run.
void enqueue(cudaStream_t stream, std::function<void()> work);

/// Runs all that is in the stream.
void drain(cudaStream_t stream);
void drain_all_streams();

/// Runs the stream of `moment` up to it.
void run_until(const Moment& moment);

/// Runs the oldest piece of work. @returns whether the stream is empty now
bool run_one(cudaStream_t stream);

}  // namespace cuda_emulator

struct CUstream_st {
  std::deque<std::function<void()>> work;
};

struct CUevent_st {
  std::shared_ptr<cuda_emulator::Moment> moment;  ///< null: never recorded
};
