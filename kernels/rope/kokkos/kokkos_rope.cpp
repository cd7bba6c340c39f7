#include "kernels/elementwise/kokkos/elements.hpp"
#include "kernels/elementwise/kokkos/launch.hpp"
#include "kernels/rope/rope.hpp"

namespace ringworld {
namespace {

/// Turns one pair of one head.
struct RotateKernel {
  kokkos::Writer x;
  std::array<std::int64_t, 4> strides;  ///< of (B, T, H, D)
  std::int64_t tokens;
  std::int64_t heads;
  const float* cosine;
  const float* sine;
  std::int64_t cosine_stride;
  std::int64_t sine_stride;
  std::int64_t table_rows;
  std::int64_t half;  ///< D / 2
  bool is_interleaved;
  float direction;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t index) const {
    const std::int64_t pair = index % half;
    const std::int64_t head = index / half % heads;
    const std::int64_t token = index / half / heads;  // over the whole batch
    const std::int64_t row = token % table_rows;
    const std::int64_t at = token / tokens * strides[0] + token % tokens * strides[1] + head * strides[2];
    const std::int64_t first = at + (is_interleaved ? 2 * pair : pair);
    const std::int64_t second = is_interleaved ? first + 1 : first + half;
    const float c = cosine[row * cosine_stride + pair];
    const float s = direction * sine[row * sine_stride + pair];
    const float a = x(first);
    const float b = x(second);
    x(first, a * c - b * s);
    x(second, a * s + b * c);
  }
};

class KokkosRope final : public Rope {
  void run_rotate(const RopeRotation& rotation) override {
    const ActivationView& x = rotation.x;
    kokkos::for_each("ringworld::rope::rotate", x.batch() * x.tokens() * x.heads() * (x.head_size() / 2),
                     RotateKernel{.x = {x.data, x.dtype},
                                  .strides = x.strides,
                                  .tokens = x.tokens(),
                                  .heads = x.heads(),
                                  .cosine = rotation.cosine.data,
                                  .sine = rotation.sine.data,
                                  .cosine_stride = rotation.cosine.strides[0],
                                  .sine_stride = rotation.sine.strides[0],
                                  .table_rows = rotation.cosine.shape[0],
                                  .half = x.head_size() / 2,
                                  .is_interleaved = rotation.pairing == RopePairing::interleaved,
                                  .direction = rotation.direction == RopeDirection::forward ? 1.0F : -1.0F});
  }
};

}  // namespace

std::unique_ptr<Rope> make_kokkos_rope(const KernelOptions& /*options*/) { return std::make_unique<KokkosRope>(); }

}  // namespace ringworld
