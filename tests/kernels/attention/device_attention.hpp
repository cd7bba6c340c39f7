#pragma once
/// @file  A backend whose operands live on a device, made to work on tensors of the host.

#include <memory>

#include "device/device.hpp"
#include "kernels/attention/attention.hpp"

namespace ringworld::test {

/// Copies what a call reads and writes to the device and back, so that tests need not know where a backend computes.
/// Every tensor gets memory of its own with guard bytes on both sides; a call fails the running test when it writes to
/// them, or between the elements of a view that is part of a larger tensor.
[[nodiscard]] std::unique_ptr<BlockAttention> on_device(std::unique_ptr<BlockAttention> attention, DeviceKind kind);

}  // namespace ringworld::test
