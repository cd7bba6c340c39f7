#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "kernels/elementwise/parallel.hpp"
#include "kernels/elementwise/row_functions.hpp"
#include "kernels/group_norm/group_norm.hpp"

/// @file  Group normalisation on CPUs. A frame is cut into panels of neighbouring pixels, by its shape alone:
///
///   frame   | panel 0 | panel 1 | ... |      a panel's sums are fp32, one a channel,
///   sums       (C)    +  (C)    + ...        and added up in double, panel after panel, then channel after channel
///
/// Moments are taken round a number near the panel's own mean and merged after Chan, Golub, LeVeque, "Updating Formulae
/// and a Pairwise Algorithm for Computing Sample Variances", Stanford STAN-CS-79-773, 1979.

namespace ringworld {
namespace {

/// A panel stays in the level 2 cache between the passes over it.
constexpr std::int64_t panel_elements = 1 << 15;
constexpr std::int64_t fewest_pixels = 16;
constexpr std::int64_t most_pixels = 512;
constexpr std::int64_t sums_of_panel = 3;

struct Panel {
  std::int64_t frame;
  std::int64_t element;  ///< its first, from the begin of the tensor
  std::int64_t pixels;
};

/// The panels of all frames.
class Panels {
 public:
  explicit Panels(const std::array<std::int64_t, 4>& shape)
      : pixels_(shape[1] * shape[2]),
        channels_(shape[3]),
        grain_(std::clamp(panel_elements / std::max<std::int64_t>(1, shape[3]), fewest_pixels, most_pixels)),
        per_frame_(row::range_count(pixels_, grain_)) {}

  [[nodiscard]] std::int64_t per_frame() const { return per_frame_; }

  [[nodiscard]] Panel operator[](std::int64_t index) const {
    const std::int64_t frame = index / per_frame_;
    const std::int64_t begin = index % per_frame_ * grain_;
    return {
        .frame = frame, .element = (frame * pixels_ + begin) * channels_, .pixels = std::min(grain_, pixels_ - begin)};
  }

 private:
  std::int64_t pixels_;
  std::int64_t channels_;
  std::int64_t grain_;
  std::int64_t per_frame_;
};

class HostGroupNorm final : public GroupNorm {
 public:
  explicit HostGroupNorm(const KernelOptions& options) : threads_(options.threads) {}

 private:
  void run_forward(const GroupNormForward& pass) override {
    const auto [frames, height, width, channels] = pass.x.shape;
    const Panels panels(pass.x.shape);
    resize(frames, panels.per_frame(), channels);
    for_each(frames * panels.per_frame(), [&, channels = channels](std::int64_t index) {
      const Panel panel = panels[index];
      functions_.channel_moments({.x = pass.x.data + panel.element,
                                  .pixels = panel.pixels,
                                  .channels = channels,
                                  .center = sum(index, 0),
                                  .sum = sum(index, 1),
                                  .squares = sum(index, 2)});
    });
    for (std::int64_t n = 0; n < frames; ++n) {
      merge_moments(pass, panels, n);
      spread(pass, n);
    }
    for_each(frames * panels.per_frame(), [&, channels = channels](std::int64_t index) {
      const Panel panel = panels[index];
      functions_.normalize_channels({.x = pass.x.data + panel.element,
                                     .pixels = panel.pixels,
                                     .channels = channels,
                                     .mean = coefficient(mean_, panel),
                                     .factor = coefficient(factor_, panel),
                                     .bias = pass.bias,
                                     .has_silu = pass.activation == Activation::silu,
                                     .y = pass.y.data + panel.element});
    });
  }

  void run_backward(const GroupNormBackward& pass) override {
    const auto [frames, height, width, channels] = pass.x.shape;
    const Panels panels(pass.x.shape);
    resize(frames, panels.per_frame(), channels);
    constant_.resize(mean_.size());
    slope_.resize(mean_.size());
    for (std::int64_t n = 0; n < frames; ++n) {
      spread(pass, n);
    }
    const bool has_silu = pass.activation == Activation::silu;
    // Where dx is overwritten it holds du between the passes, and the exponentials are computed once.
    const bool keeps_du = has_silu && !pass.adds_to_dx;
    for_each(frames * panels.per_frame(), [&, channels = channels](std::int64_t index) {
      const Panel panel = panels[index];
      functions_.sum_channel_gradients({.dy = pass.dy.data + panel.element,
                                        .x = pass.x.data + panel.element,
                                        .pixels = panel.pixels,
                                        .channels = channels,
                                        .mean = coefficient(mean_, panel),
                                        .factor = coefficient(factor_, panel),
                                        .bias = pass.bias,
                                        .has_silu = has_silu,
                                        .du = keeps_du ? pass.dx.data + panel.element : nullptr,
                                        .sum = sum(index, 0),
                                        .sum_with_distance = sum(index, 1)});
    });
    dscale_.assign(static_cast<std::size_t>(channels), 0.0);
    dbias_.assign(static_cast<std::size_t>(channels), 0.0);
    for (std::int64_t n = 0; n < frames; ++n) {
      merge_gradients(pass, panels, n);
    }
    for_each(frames * panels.per_frame(), [&, channels = channels](std::int64_t index) {
      const Panel panel = panels[index];
      functions_.normalize_channels_backward({.dy = (keeps_du ? pass.dx.data : pass.dy.data) + panel.element,
                                              .x = pass.x.data + panel.element,
                                              .pixels = panel.pixels,
                                              .channels = channels,
                                              .mean = coefficient(mean_, panel),
                                              .factor = coefficient(factor_, panel),
                                              .bias = pass.bias,
                                              .constant = coefficient(constant_, panel),
                                              .slope = coefficient(slope_, panel),
                                              .has_silu = has_silu && !keeps_du,
                                              .adds_to_dx = pass.adds_to_dx,
                                              .dx = pass.dx.data + panel.element});
    });
    for (std::size_t c = 0; c < dscale_.size(); ++c) {
      pass.dscale[c] = static_cast<float>(static_cast<double>(pass.dscale[c]) + dscale_[c]);
      pass.dbias[c] = static_cast<float>(static_cast<double>(pass.dbias[c]) + dbias_[c]);
    }
  }

  void resize(std::int64_t frames, std::int64_t panels_per_frame, std::int64_t channels) {
    channels_ = channels;
    sums_.resize(static_cast<std::size_t>(sums_of_panel * frames * panels_per_frame * channels));
    mean_.resize(static_cast<std::size_t>(frames * channels));
    factor_.resize(mean_.size());
  }

  template <class Body>
  void for_each(std::int64_t count, const Body& body) const {
    row::for_each_range(threads_, count, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t index = begin; index < end; ++index) {
        body(index);
      }
    });
  }

  /// Sum number `which` of a panel, (C).
  [[nodiscard]] float* sum(std::int64_t panel, std::int64_t which) {
    return sums_.data() + (sums_of_panel * panel + which) * channels_;
  }

  [[nodiscard]] const float* coefficient(const std::vector<float>& values, const Panel& panel) const {
    return values.data() + panel.frame * channels_;
  }

  /// What a panel knows of a channel.
  struct Moments {
    double pixels;
    double mean;
    double squares;  ///< of the distances from that mean
  };

  [[nodiscard]] Moments moments(const Panels& panels, std::int64_t index, std::int64_t c) {
    const auto pixels = static_cast<double>(panels[index].pixels);
    const auto distances = static_cast<double>(sum(index, 1)[c]);
    return {.pixels = pixels,
            .mean = static_cast<double>(sum(index, 0)[c]) + distances / pixels,
            .squares = static_cast<double>(sum(index, 2)[c]) - distances * distances / pixels};
  }

  /// Calls `body(panel, channel)` for a group of a frame.
  template <class Body>
  void for_each_of_group(const Panels& panels, std::int64_t n, std::int64_t g, std::int64_t per_group,
                         const Body& body) {
    for (std::int64_t index = n * panels.per_frame(); index < (n + 1) * panels.per_frame(); ++index) {
      for (std::int64_t c = g * per_group; c < (g + 1) * per_group; ++c) {
        body(index, c);
      }
    }
  }

  void merge_moments(const GroupNormForward& pass, const Panels& panels, std::int64_t n) {
    const std::int64_t per_group = channels_ / pass.groups;
    const std::int64_t elements = pass.x.strides[0] / pass.groups;
    const auto count = static_cast<double>(elements);
    for (std::int64_t g = 0; g < pass.groups; ++g) {
      double weighted = 0;
      for_each_of_group(panels, n, g, per_group, [&](std::int64_t index, std::int64_t c) {
        const Moments of_panel = moments(panels, index, c);
        weighted += of_panel.pixels * of_panel.mean;
      });
      const double mean = weighted / count;
      double squares = 0;
      for_each_of_group(panels, n, g, per_group, [&](std::int64_t index, std::int64_t c) {
        const Moments of_panel = moments(panels, index, c);
        const double distance = of_panel.mean - mean;
        squares += of_panel.squares + of_panel.pixels * distance * distance;
      });
      pass.mean(n, g) = static_cast<float>(mean);
      pass.rstd(n, g) = static_cast<float>(1 / std::sqrt(squares / count + static_cast<double>(pass.epsilon)));
    }
  }

  /// The mean and the factor of each channel of a frame.
  template <class Pass>
  void spread(const Pass& pass, std::int64_t n) {
    const std::int64_t per_group = channels_ / pass.groups;
    for (std::int64_t c = 0; c < channels_; ++c) {
      const auto at = static_cast<std::size_t>(n * channels_ + c);
      mean_[at] = pass.mean(n, c / per_group);
      factor_[at] = pass.rstd(n, c / per_group) * pass.scale[c];
    }
  }

  /// With n = (x - mean) rstd and sums over the m elements of a group:
  ///
  ///   dx = rstd (scale du - (sum scale du + n sum scale du n) / m) = factor du - constant - (x - mean) slope
  void merge_gradients(const GroupNormBackward& pass, const Panels& panels, std::int64_t n) {
    const std::int64_t per_group = channels_ / pass.groups;
    const std::int64_t elements = pass.x.strides[0] / pass.groups;
    const auto count = static_cast<double>(elements);
    for (std::int64_t g = 0; g < pass.groups; ++g) {
      const auto rstd = static_cast<double>(pass.rstd(n, g));
      double of_group = 0;
      double of_group_with_normal = 0;
      for_each_of_group(panels, n, g, per_group, [&](std::int64_t index, std::int64_t c) {
        const auto du = static_cast<double>(sum(index, 0)[c]);
        const double du_with_normal = static_cast<double>(sum(index, 1)[c]) * rstd;
        dbias_[static_cast<std::size_t>(c)] += du;
        dscale_[static_cast<std::size_t>(c)] += du_with_normal;
        of_group += du * static_cast<double>(pass.scale[c]);
        of_group_with_normal += du_with_normal * static_cast<double>(pass.scale[c]);
      });
      const auto begin = static_cast<std::ptrdiff_t>(n * channels_ + g * per_group);
      std::fill_n(constant_.begin() + begin, per_group, static_cast<float>(rstd * of_group / count));
      std::fill_n(slope_.begin() + begin, per_group, static_cast<float>(rstd * rstd * of_group_with_normal / count));
    }
  }

  int threads_;
  const row::PixelFunctions& functions_ = row::row_functions(selected_isa()).pixels;
  std::int64_t channels_ = 0;
  std::vector<float> sums_;    ///< (panels, sums_of_panel, C)
  std::vector<float> mean_;    ///< (N, C), and so are the next three
  std::vector<float> factor_;  ///< rstd * scale
  std::vector<float> constant_;
  std::vector<float> slope_;
  std::vector<double> dscale_;  ///< (C)
  std::vector<double> dbias_;   ///< (C)
};

}  // namespace

std::unique_ptr<GroupNorm> make_host_group_norm(const KernelOptions& options) {
  return std::make_unique<HostGroupNorm>(options);
}

}  // namespace ringworld
