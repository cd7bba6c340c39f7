#pragma once
/// @file  What the transports of a Shift implement. Included by src/comm only.

#include <memory>

#include "comm/ring.hpp"

namespace ringworld {

/// One transport's hop. A destructor must not wait for other ranks when an error unwinds this one alone.
class Shift::Impl {
 public:
  virtual ~Impl() = default;
  virtual void start(std::span<const std::byte> to_next, std::span<std::byte> from_previous) = 0;
  virtual bool test() = 0;
  virtual void wait(const std::function<void()>& meanwhile) = 0;

  Traffic traffic;
};

/// Each is defined in the folder of the library that it uses, and collective over the ring.
[[nodiscard]] std::unique_ptr<Shift::Impl> make_mpi_shift(const Ring& ring, const ShiftOptions& options);

}  // namespace ringworld
