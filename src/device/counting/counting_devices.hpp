#pragma once
/// @file  Devices that count memory instead of holding it: what a program would allocate is found by letting it allocate.
///
///   { CountingDevices counting;                      from here on device(kind) is a counting one, whatever the machine has
///     Model model(parameters, options);              Buffers get addresses, but no pages until something is written
///     counting.of(kind).memory().account(); }        the account is that of a real run, to the byte

#include <array>
#include <memory>

#include "device/device.hpp"

namespace ringworld {

/// While this lives, `device(kind)` answers with its devices. Buffers that were made before keep their own device.
/// One at a time, made and destroyed by the thread that allocates.
class CountingDevices {
 public:
  /// @throws Error(internal) when there is one already.
  CountingDevices();
  CountingDevices(const CountingDevices&) = delete;
  CountingDevices& operator=(const CountingDevices&) = delete;
  ~CountingDevices();

  /// Copies and fills of it do nothing, events have always happened.
  [[nodiscard]] Device& of(DeviceKind kind) { return *devices_[static_cast<std::size_t>(kind)]; }

  /// The one that lives, or null.
  [[nodiscard]] static CountingDevices* current() noexcept;

 private:
  std::array<std::unique_ptr<Device>, device_kind_names.size()> devices_;
};

}  // namespace ringworld
