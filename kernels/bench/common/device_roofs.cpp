#include "kernels/bench/common/device_roofs.hpp"

#include <algorithm>

#include "core/clock.hpp"
#include "kernels/bench/common/device_timer.hpp"
#include "kernels/bench/common/random_values.hpp"

namespace ringworld::bench {

template <class Operation>
void DeviceRoofs::refresh(Device& place, Roof& roof, double work, Operation&& operation) {
  constexpr int repeats = 5;
  if (roof.best > 0 && now_seconds() - roof.measured_at < seconds_of_validity) {
    return;
  }
  DeviceTimer timer(place);
  operation();  // warms up
  for (int repeat = 0; repeat < repeats; ++repeat) {
    roof.best = std::max(roof.best, work / timer.seconds_of(operation));
  }
  roof.measured_at = now_seconds();
}

void DeviceRoofs::measure(DType dtype) {
  const DeviceKind kind = device_of(backend_);
  Device& place = device(kind);
  if (matmul_ == nullptr) {
    matmul_ = make_matmul(backend_);
    from_ = Buffer(copied_bytes, kind);
    to_ = Buffer(copied_bytes, kind);
  }
  Product& product = products_[dtype];
  if (product.a.bytes() == 0) {
    product.a = make_normals(dtype, extent * extent, 1, kind);
    product.b = make_normals(dtype, extent * extent, 2, kind);
    product.c = Buffer(product.a.bytes(), kind);
  }
  refresh(place, product.roof, 2.0 * extent * extent * extent, [&] {
    matmul_->multiply({.m = extent,
                       .n = extent,
                       .k = extent,
                       .dtype = dtype,
                       .c_dtype = dtype,
                       .a = product.a.data(),
                       .a_leading = extent,
                       .b = product.b.data(),
                       .b_leading = extent,
                       .c = product.c.data(),
                       .c_leading = extent});
  });
  refresh(place, copy_, 2.0 * copied_bytes,
          [&] { place.copy(to_.data(), from_.data(), copied_bytes, place.compute_stream()); });
}

}  // namespace ringworld::bench
