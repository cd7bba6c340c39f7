#pragma once
/// @file  The roofs of a device with memory of its own that benchmarks are held against: a copy in its memory, and a
/// large matrix product.

#include <cstdint>
#include <map>
#include <memory>

#include "core/dtype.hpp"
#include "device/buffer.hpp"
#include "kernels/matmul/matmul.hpp"

namespace ringworld::bench {

/// As MeasuredRoofs: each is measured again when `seconds_of_validity` have passed, and its largest value counts.
class DeviceRoofs {
 public:
  explicit DeviceRoofs(Backend backend) : backend_(backend) {}

  /// Allocates what the measurements need (2 GiB, and 0.75 or 0.375 GiB a dtype) at the first call.
  void measure(DType dtype);

  /// FLOP/s of an 8192 x 8192 x 8192 product of random numbers of this dtype, result in the same.
  [[nodiscard]] double gemm(DType dtype) const { return products_.at(dtype).roof.best; }
  /// Bytes/s, read and written, of a copy of 1 GiB.
  [[nodiscard]] double copy() const { return copy_.best; }

  static constexpr std::int64_t extent = 8192;
  static constexpr std::int64_t copied_bytes = std::int64_t{1} << 30;
  static constexpr double seconds_of_validity = 1;

 private:
  struct Roof {
    double best = 0;
    double measured_at = 0;  // by now_seconds(); meaningless while best is 0
  };

  template <class Operation>
  static void refresh(Device& place, Roof& roof, double work, Operation&& operation);

  struct Product {
    Buffer a, b, c;
    Roof roof;
  };

  Backend backend_;
  std::map<DType, Product> products_;
  Buffer from_, to_;
  Roof copy_;
  std::unique_ptr<Matmul> matmul_;
};

}  // namespace ringworld::bench
