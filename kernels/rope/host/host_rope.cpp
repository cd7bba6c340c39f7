#include "kernels/elementwise/parallel.hpp"
#include "kernels/elementwise/row_functions.hpp"
#include "kernels/rope/rope.hpp"

namespace ringworld {
namespace {

class HostRope final : public Rope {
 public:
  explicit HostRope(const KernelOptions& options) : threads_(options.threads) {}

 private:
  void run_rotate(const RopeRotation& rotation) override {
    with_type(rotation.x.dtype, [&](auto type) { rotate_typed<decltype(type)>(rotation); });
  }

  template <class T>
  void rotate_typed(const RopeRotation& rotation) {
    const TensorView<T, 4> x = rotation.x.as<T>();
    const auto [batch, tokens, heads, head_size] = x.shape;
    const auto& functions = functions_.of<T>();
    const auto rotate_token =
        rotation.pairing == RopePairing::interleaved ? functions.rotate_interleaved : functions.rotate_half_split;
    row::for_each_range(
        threads_, batch * tokens, row::rows_per_range(heads * head_size),
        [&, tokens = tokens, heads = heads, half = head_size / 2](std::int64_t begin, std::int64_t end) {
          for (std::int64_t token = begin; token < end; ++token) {
            const std::int64_t table_row = token % rotation.cosine.shape[0];
            rotate_token({.x = &x(token / tokens, token % tokens, 0, 0),
                          .heads = heads,
                          .head_stride = x.strides[2],
                          .cosine = &rotation.cosine(table_row, 0),
                          .sine = &rotation.sine(table_row, 0),
                          .half = half,
                          .direction = rotation.direction == RopeDirection::forward ? 1.0F : -1.0F});
          }
        });
  }

  int threads_;
  const row::RowFunctions& functions_ = row::row_functions(selected_isa());
};

}  // namespace

std::unique_ptr<Rope> make_host_rope(const KernelOptions& options) { return std::make_unique<HostRope>(options); }

}  // namespace ringworld
