#pragma once
/// @file  Seeded operands for benchmarks.

#include <cstdint>

#include "core/dtype.hpp"
#include "device/buffer.hpp"

namespace ringworld::bench {

/// `count` standard normals in the bits of `dtype`; the same for the same stream.
[[nodiscard]] Buffer make_normals(DType dtype, std::int64_t count, std::uint64_t stream);

}  // namespace ringworld::bench
