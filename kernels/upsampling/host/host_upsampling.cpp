#include <algorithm>

#include "kernels/elementwise/parallel.hpp"
#include "kernels/upsampling/upsampling.hpp"

namespace ringworld {
namespace {

/// A row of pixels, each twice.
void double_pixels(const float* x, std::int64_t width, std::int64_t channels, float* y) {
  for (std::int64_t column = 0; column < width; ++column) {
    y = std::copy_n(x, channels, y);
    y = std::copy_n(x, channels, y);
    x += channels;
  }
}

/// The sums over blocks of two rows of dy.
void add_blocks(const float* __restrict upper, const float* __restrict lower, std::int64_t width, std::int64_t channels,
                float* __restrict dx) {
  for (std::int64_t column = 0; column < width; ++column) {
    for (std::int64_t c = 0; c < channels; ++c) {
      dx[c] = (upper[c] + upper[channels + c]) + (lower[c] + lower[channels + c]);
    }
    upper += 2 * channels;
    lower += 2 * channels;
    dx += channels;
  }
}

class HostUpsampling final : public Upsampling {
 public:
  explicit HostUpsampling(const KernelOptions& options) : threads_(options.threads) {}

 private:
  void run_forward(const UpsamplingForward& pass) override {
    for_each_row(pass.x.shape, [&](std::int64_t row, std::int64_t width, std::int64_t channels) {
      float* y = pass.y.data + row * 4 * width * channels;
      double_pixels(pass.x.data + row * width * channels, width, channels, y);
      std::copy_n(y, 2 * width * channels, y + 2 * width * channels);
    });
  }

  void run_backward(const UpsamplingBackward& pass) override {
    for_each_row(pass.dx.shape, [&](std::int64_t row, std::int64_t width, std::int64_t channels) {
      const float* upper = pass.dy.data + row * 4 * width * channels;
      add_blocks(upper, upper + 2 * width * channels, width, channels, pass.dx.data + row * width * channels);
    });
  }

  /// Calls body(row, width, channels) for every row of the small frames.
  template <class Body>
  void for_each_row(const std::array<std::int64_t, 4>& shape, const Body& body) const {
    const std::int64_t width = shape[2];
    const std::int64_t channels = shape[3];
    row::for_each_range(threads_, shape[0] * shape[1], row::rows_per_range(4 * width * channels),
                        [&](std::int64_t begin, std::int64_t end) {
                          for (std::int64_t at = begin; at < end; ++at) {
                            body(at, width, channels);
                          }
                        });
  }

  int threads_;
};

}  // namespace

std::unique_ptr<Upsampling> make_host_upsampling(const KernelOptions& options) {
  return std::make_unique<HostUpsampling>(options);
}

}  // namespace ringworld
