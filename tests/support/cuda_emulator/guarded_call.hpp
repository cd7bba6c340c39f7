#pragma once
/// @file  The way from C++ errors to CUDA's codes.

#include <cuda_runtime_api.h>

#include <string>

namespace cuda_emulator {

/// What cudaGetErrorString(cudaErrorLaunchFailure) says next.
void remember_failure(const std::string& what);

/// Runs `function`; an exception becomes cudaErrorLaunchFailure.
template <class Function>
cudaError_t guarded_call(Function&& function) {
  try {
    function();
    return cudaSuccess;
  } catch (const std::exception& error) {
    remember_failure(error.what());
    return cudaErrorLaunchFailure;
  }
}

}  // namespace cuda_emulator
