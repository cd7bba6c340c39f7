#include "kernels/elementwise/widened_row.hpp"
#include "kernels/rope/reference/rotate.hpp"
#include "kernels/rope/rope.hpp"

namespace ringworld {
namespace {

class ReferenceRope final : public Rope {
  void run_rotate(const RopeRotation& rotation) override {
    const auto [batch, tokens, heads, head_size] = rotation.x.shape;
    for (std::int64_t b = 0; b < batch; ++b) {
      for (std::int64_t t = 0; t < tokens; ++t) {
        const std::int64_t table_row = (b * tokens + t) % rotation.cosine.shape[0];
        const std::vector<double> cosine = row::widened(ConstRowsView(rotation.cosine), table_row);
        const std::vector<double> sine = row::widened(ConstRowsView(rotation.sine), table_row);
        const RowsView of_token = heads_of(rotation.x, b, t);
        for (std::int64_t h = 0; h < heads; ++h) {
          std::vector<double> x = row::widened(of_token, h);
          reference::rotate<double>(x, cosine, sine, rotation.pairing, rotation.direction);
          row::narrow(x, of_token, h);
        }
      }
    }
  }

  /// (H, D) of one token.
  static RowsView heads_of(const ActivationView& x, std::int64_t b, std::int64_t t) {
    const std::int64_t offset = b * x.strides[0] + t * x.strides[1];
    return {
        static_cast<std::byte*>(x.data) + offset * size_of(x.dtype), x.dtype, {x.heads(), x.head_size()}, x.strides[2]};
  }
};

}  // namespace

std::unique_ptr<Rope> make_reference_rope(const KernelOptions& /*options*/) {
  return std::make_unique<ReferenceRope>();
}

}  // namespace ringworld
