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

/// A piece of work of a stream: it runs once nothing holds it back, again and again until it has ended.
struct Work {
  std::function<bool()> run;                        ///< returns whether it has ended; null: it has nothing to do
  std::shared_ptr<const Moment> awaited = nullptr;  ///< holds it back until it has passed; null: nothing does
  bool is_endless = false;                          ///< it never ends, and nothing behind it ever begins
};

/// Adds work to the end of a stream; null is the default stream. It runs with access to device memory, and errors of it are
/// returned by whatever call makes it run.
void enqueue(cudaStream_t stream, std::function<void()> work);

/// Runs all that is in the stream.
void drain(cudaStream_t stream);
void drain_all_streams();

/// Runs the stream of `moment` up to it.
void run_until(const Moment& moment);

/// Adds work that waits for something outside the device: `step` is called until it returns true. Does not block.
void enqueue_steps(cudaStream_t stream, std::function<bool()> step);

/// Adds work that never ends.
void enqueue_endless(cudaStream_t stream);

/// Runs the oldest piece of work, or a piece of what holds it back. @returns whether the stream is empty now
bool run_one(cudaStream_t stream);

}  // namespace cuda_emulator

struct CUstream_st {
  std::deque<cuda_emulator::Work> work;
};

struct CUevent_st {
  bool has_time = true;
  std::shared_ptr<cuda_emulator::Moment> moment = nullptr;  ///< null: never recorded
};
