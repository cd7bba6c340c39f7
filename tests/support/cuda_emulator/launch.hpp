#pragma once
/// @file  From a launch to a grid in a stream; what cudaLaunchKernelEx is made of.

#include <cuda_runtime_api.h>

#include <functional>
#include <initializer_list>

namespace cuda_emulator {

/// @param pointers  the kernel's arguments that are pointers, to see that the device can follow them
/// @param call      what each thread does
cudaError_t enqueue_kernel(const cudaLaunchConfig_t& config, const void* kernel,
                           std::initializer_list<const void*> pointers, std::function<void()> call);

cudaError_t set_kernel_attribute(const void* kernel, cudaFuncAttribute attribute, int value);

}  // namespace cuda_emulator
