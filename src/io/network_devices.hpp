#pragma once
/// @file  What this node's messages can travel on.

#include <filesystem>
#include <string>

namespace ringworld {

/// For people and records: "mlx5_0 200 Gb/sec (4X HDR)" of the high-speed devices that the kernel lists (InfiniBand,
/// RoCE, Slingshot, Omni-Path); of a node without any, the interfaces that lead elsewhere, with their speed where the
/// kernel tells: "eth0 1000 Mb/s". Empty when there is none. It does not say which of them MPI uses.
/// Source: Linux kernel, Documentation/ABI/stable/sysfs-class-infiniband and testing/sysfs-class-net.
[[nodiscard]] std::string network_devices(const std::filesystem::path& classes = "/sys/class");

}  // namespace ringworld
