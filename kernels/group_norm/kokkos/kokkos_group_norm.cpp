#include <array>

#include "kernels/elementwise/kokkos/launch.hpp"
#include "kernels/elementwise/kokkos/math.hpp"
#include "kernels/group_norm/group_norm.hpp"

namespace ringworld {
namespace {

using kokkos::RowTeam;

/// Where the elements lie that are normalised together, of which a team has one frame's group at a time.
struct Grouping {
  std::int64_t pixels;
  std::int64_t channels;
  std::int64_t groups;

  explicit Grouping(const std::array<std::int64_t, 4>& shape, std::int64_t groups_in)
      : pixels(shape[1] * shape[2]), channels(shape[3]), groups(groups_in) {}

  KOKKOS_INLINE_FUNCTION std::int64_t per_group() const { return channels / groups; }
  KOKKOS_INLINE_FUNCTION std::int64_t elements() const { return pixels * per_group(); }
  /// The channel of element i of a group; `row` is frame * groups + group.
  KOKKOS_INLINE_FUNCTION std::int64_t channel(std::int64_t row, std::int64_t i) const {
    return row % groups * per_group() + i % per_group();
  }
  KOKKOS_INLINE_FUNCTION std::int64_t index(std::int64_t row, std::int64_t i) const {
    return (row / groups * pixels + i / per_group()) * channels + channel(row, i);
  }
};

/// The sum of `term(i)` over the elements of a group, in double: a group may be summed by one lane. Every member gets
/// it.
template <class Term>
KOKKOS_INLINE_FUNCTION double sum_of(const RowTeam& team, std::int64_t count, const Term& term) {
  double sum = 0;
  Kokkos::parallel_reduce(
      Kokkos::TeamVectorRange(team, count), [&](std::int64_t i, double& part) { part += static_cast<double>(term(i)); },
      sum);
  return sum;
}

KOKKOS_INLINE_FUNCTION float sigmoid(float x) { return 1.0F / (1.0F + kokkos::exponential(-x)); }

struct ForwardKernel {
  Grouping grouping;
  float epsilon;
  bool has_silu;
  const float* x;
  const float* scale;
  const float* bias;
  float* y;
  float* mean;
  float* rstd;

  KOKKOS_INLINE_FUNCTION void operator()(const RowTeam& team, std::int64_t row) const {
    const auto count = static_cast<double>(grouping.elements());
    const double exact_mean =
        sum_of(team, grouping.elements(), [&](std::int64_t i) { return x[grouping.index(row, i)]; }) / count;
    const double squares = sum_of(team, grouping.elements(), [&](std::int64_t i) {
      const double distance = static_cast<double>(x[grouping.index(row, i)]) - exact_mean;
      return distance * distance;
    });
    const auto center = static_cast<float>(exact_mean);
    const float inverse = 1.0F / kokkos::square_root(static_cast<float>(squares / count) + epsilon);
    team.team_barrier();  // y may be x
    Kokkos::parallel_for(Kokkos::TeamVectorRange(team, grouping.elements()), [&](std::int64_t i) {
      const std::int64_t c = grouping.channel(row, i);
      const float u = (x[grouping.index(row, i)] - center) * (inverse * scale[c]) + bias[c];
      y[grouping.index(row, i)] = has_silu ? u * sigmoid(u) : u;
    });
    Kokkos::single(Kokkos::PerTeam(team), [&]() {
      mean[row] = center;
      rstd[row] = inverse;
    });
  }
};

/// What both kernels of the backward pass read.
struct Gradient {
  Grouping grouping;
  bool has_silu;
  const float* dy;
  const float* x;
  const float* scale;
  const float* bias;
  const float* mean;
  const float* rstd;

  /// (x - mean) rstd
  KOKKOS_INLINE_FUNCTION float normal(std::int64_t row, std::int64_t index) const {
    return (x[index] - mean[row]) * rstd[row];
  }
  /// The gradient by what the activation is of.
  KOKKOS_INLINE_FUNCTION float du(std::int64_t row, std::int64_t channel, std::int64_t index) const {
    if (!has_silu) {
      return dy[index];
    }
    const float u = normal(row, index) * scale[channel] + bias[channel];
    const float share = sigmoid(u);
    return dy[index] * (share + u * share * (1.0F - share));
  }
};

/// Sums a channel over all frames, one frame after the other.
struct ChannelGradientKernel {
  Gradient gradient;
  std::int64_t frames;
  float* dscale;
  float* dbias;

  KOKKOS_INLINE_FUNCTION void operator()(const RowTeam& team, std::int64_t channel) const {
    const Grouping& grouping = gradient.grouping;
    double scale_sum = 0;
    double bias_sum = 0;
    for (std::int64_t n = 0; n < frames; ++n) {
      const std::int64_t row = n * grouping.groups + channel / grouping.per_group();
      const auto index = [&](std::int64_t pixel) {
        return (n * grouping.pixels + pixel) * grouping.channels + channel;
      };
      bias_sum +=
          sum_of(team, grouping.pixels, [&](std::int64_t pixel) { return gradient.du(row, channel, index(pixel)); });
      scale_sum += sum_of(team, grouping.pixels, [&](std::int64_t pixel) {
        return gradient.du(row, channel, index(pixel)) * gradient.normal(row, index(pixel));
      });
    }
    Kokkos::single(Kokkos::PerTeam(team), [&]() {
      dscale[channel] = static_cast<float>(static_cast<double>(dscale[channel]) + scale_sum);
      dbias[channel] = static_cast<float>(static_cast<double>(dbias[channel]) + bias_sum);
    });
  }
};

struct BackwardKernel {
  Gradient gradient;
  bool adds_to_dx;
  float* dx;

  /// The gradient by the normalised element.
  KOKKOS_INLINE_FUNCTION float dnormal(std::int64_t row, std::int64_t i) const {
    const std::int64_t channel = gradient.grouping.channel(row, i);
    return gradient.du(row, channel, gradient.grouping.index(row, i)) * gradient.scale[channel];
  }

  KOKKOS_INLINE_FUNCTION void operator()(const RowTeam& team, std::int64_t row) const {
    const Grouping& grouping = gradient.grouping;
    const auto count = static_cast<double>(grouping.elements());
    const auto mean =
        static_cast<float>(sum_of(team, grouping.elements(), [&](std::int64_t i) { return dnormal(row, i); }) / count);
    const auto slope = static_cast<float>(
        sum_of(team, grouping.elements(),
               [&](std::int64_t i) { return dnormal(row, i) * gradient.normal(row, grouping.index(row, i)); }) /
        count);
    team.team_barrier();  // dx may be dy
    Kokkos::parallel_for(Kokkos::TeamVectorRange(team, grouping.elements()), [&](std::int64_t i) {
      const std::int64_t index = grouping.index(row, i);
      const float result = (dnormal(row, i) - mean - gradient.normal(row, index) * slope) * gradient.rstd[row];
      dx[index] = adds_to_dx ? dx[index] + result : result;
    });
  }
};

class KokkosGroupNorm final : public GroupNorm {
  void run_forward(const GroupNormForward& pass) override {
    kokkos::for_each_row("ringworld::group_norm::forward", pass.mean.size(),
                         ForwardKernel{.grouping = Grouping(pass.x.shape, pass.groups),
                                       .epsilon = pass.epsilon,
                                       .has_silu = pass.activation == Activation::silu,
                                       .x = pass.x.data,
                                       .scale = pass.scale,
                                       .bias = pass.bias,
                                       .y = pass.y.data,
                                       .mean = pass.mean.data,
                                       .rstd = pass.rstd.data});
  }

  void run_backward(const GroupNormBackward& pass) override {
    const Gradient gradient{.grouping = Grouping(pass.x.shape, pass.groups),
                            .has_silu = pass.activation == Activation::silu,
                            .dy = pass.dy.data,
                            .x = pass.x.data,
                            .scale = pass.scale,
                            .bias = pass.bias,
                            .mean = pass.mean.data,
                            .rstd = pass.rstd.data};
    // First: dx may be where dy is.
    kokkos::for_each_row(
        "ringworld::group_norm::channel_gradient", pass.x.shape[3],
        ChannelGradientKernel{
            .gradient = gradient, .frames = pass.x.shape[0], .dscale = pass.dscale, .dbias = pass.dbias});
    kokkos::for_each_row("ringworld::group_norm::backward", pass.mean.size(),
                         BackwardKernel{.gradient = gradient, .adds_to_dx = pass.adds_to_dx, .dx = pass.dx.data});
  }
};

}  // namespace

std::unique_ptr<GroupNorm> make_kokkos_group_norm(const KernelOptions& /*options*/) {
  return std::make_unique<KokkosGroupNorm>();
}

}  // namespace ringworld
