#pragma once
/// @file  The device of Backend::simulated: its kernels compute nothing and take the time that they are said to take.
///
///   kernel call --charge(cost)--> [ sleep | progress | sleep | progress | ... ]  as long as the rate of such work says
///
/// Messages between ranks are real. So whether communication is hidden behind the time of kernels is seen on any machine,
/// also where ranks share cores, and with rates of a machine that one does not have.

#include <functional>

#include "device/cost.hpp"

namespace ringworld {

/// Seconds that one call of a kernel takes.
using SimulatedTime = std::function<double(const Cost&)>;

/// From now on kernels of this process take so long; before the first call they take no time. To be called by the thread
/// that computes.
void set_simulated_time(SimulatedTime seconds_of);

}  // namespace ringworld
