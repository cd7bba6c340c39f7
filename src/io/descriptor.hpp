#pragma once
/// @file  Ownership of POSIX file descriptors.

#include <unistd.h>

#include "core/unique_handle.hpp"

namespace ringworld {

struct DescriptorTraits {
  using Handle = int;
  static Handle null() noexcept { return -1; }
  static void close(Handle descriptor) noexcept { ::close(descriptor); }
};

using Descriptor = UniqueHandle<DescriptorTraits>;

}  // namespace ringworld
