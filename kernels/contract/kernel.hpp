#pragma once
/// @file  The base class of all families of kernels.
///
/// A public call of a family does three things, so that a backend implements only the third:
///
///   void RmsNorm::forward(const RmsNormForward& pass) {
///     check(pass);            // the shapes and types fit each other
///     charge(cost_of(pass));  // the device learns what the call costs (kernels/<family>/cost.hpp)
///     run_forward(pass);      // the backend computes
///   }

#include "device/device.hpp"

namespace ringworld {

class Kernel {
 public:
  virtual ~Kernel() = default;

  /// From now on each public call charges its cost to `device`, which must outlive this object. A kernel that was made
  /// by one of the factories in kernels/backends charges the device on which it runs; any other kernel charges no
  /// device.
  void charge_to(Device& device) noexcept { device_ = &device; }

 protected:
  /// @return false when `progress` stopped the work, which a simulated device alone lets it do here
  bool charge(const Cost& cost, const Progress& progress = {}) const {
    return device_ == nullptr || device_->charge(cost, progress);
  }

 private:
  Device* device_ = nullptr;
};

}  // namespace ringworld
