#pragma once
/// @file  Twin of src/device/cuda/ptx/order.cuh: the C++ compiler moves nothing over the calls that wait here.

#include "device/cuda/ptx/shared_memory.cuh"

namespace ringworld::ptx {

inline void compute_before_next_wait(float /*value*/, SharedAddress /*scratch*/) {}

}  // namespace ringworld::ptx
