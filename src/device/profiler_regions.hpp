#pragma once
/// @file  The regions of a trace as markers of a profiler that runs the program.

namespace ringworld {

/// The regions of this process (core/trace.hpp) become, from now on, regions of each profiler that runs it: the two below.
/// Once a process.
void show_regions_to_profilers();

/// NVTX ranges under a profiler of NVIDIA, such as `nsys profile`. Does nothing elsewhere, and in builds without NVTX.
void show_regions_to_nvtx();

/// Regions of Caliper where its variables ask for them, as `CALI_CONFIG=runtime-report` does. Does nothing elsewhere, and
/// in builds without Caliper. Steps of one loop are one region, "ring step N of N", so that a report adds them up.
void show_regions_to_caliper();

}  // namespace ringworld
