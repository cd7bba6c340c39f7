#pragma once
/// @file  Turns the codes of the CUDA runtime into errors.

#include <cuda_runtime_api.h>

#include <source_location>

namespace ringworld {

/// @throws Error(internal) with CUDA's own words unless `code` is cudaSuccess. Errors of kernels come late: they are
/// returned by whatever call follows, and name that call's place.
void check_cuda(cudaError_t code, std::source_location where = std::source_location::current());

}  // namespace ringworld
