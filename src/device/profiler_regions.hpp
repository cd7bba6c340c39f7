#pragma once
/// @file  The regions of a trace as markers of a profiler that runs the program.

namespace ringworld {

/// Under a profiler of NVIDIA, such as `nsys profile`, the regions of the calling thread (core/trace.hpp) become NVTX
/// ranges from now on. Does nothing elsewhere, and in builds without NVTX. Once a process.
void show_regions_to_profilers();

}  // namespace ringworld
