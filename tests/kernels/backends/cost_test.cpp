/// @file  Every public call of every family charges its device what the family's cost.hpp declares, on every backend;
/// and what it declares is what the algorithm does: its FLOP are counted by running the reference algorithm with
/// numbers that count, its bytes are worked out by hand.

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/attention/cost.hpp"
#include "kernels/convolution/cost.hpp"
#include "kernels/convolution/reference/convolution.hpp"
#include "kernels/embedding/cost.hpp"
#include "kernels/embedding/reference/lookup.hpp"
#include "kernels/group_norm/cost.hpp"
#include "kernels/group_norm/reference/group_norm.hpp"
#include "kernels/loss/cost.hpp"
#include "kernels/loss/reference/softmax.hpp"
#include "kernels/matmul/cost.hpp"
#include "kernels/norm/cost.hpp"
#include "kernels/norm/reference/rms_norm.hpp"
#include "kernels/optimizer/cost.hpp"
#include "kernels/reconstruction_loss/cost.hpp"
#include "kernels/reconstruction_loss/reference/reconstruction_loss.hpp"
#include "kernels/rope/cost.hpp"
#include "kernels/rope/reference/rotate.hpp"
#include "kernels/swiglu/cost.hpp"
#include "kernels/swiglu/reference/swiglu.hpp"
#include "kernels/tensor/cost.hpp"
#include "kernels/upsampling/cost.hpp"
#include "kernels/upsampling/reference/upsampling.hpp"
#include "kernels/vector_quantizer/cost.hpp"
#include "kernels/vector_quantizer/reference/quantizer.hpp"
#include "support/available_device.hpp"
#include "support/counted_number.hpp"
#include "support/device_mirror.hpp"
#include "support/recording_device.hpp"

namespace ringworld::test {
namespace {

constexpr std::int64_t rows = 5;
constexpr std::int64_t columns = 8;
constexpr std::int64_t float_bytes = 4;

std::vector<float> numbers(std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (std::size_t index = 0; index < values.size(); ++index) {
    values[index] = 0.25F + 0.125F * static_cast<float>(index % 7);
  }
  return values;
}

std::vector<Counted> counted(std::int64_t count) {
  const std::vector<float> values = numbers(count);
  return {values.begin(), values.end()};
}

class KernelCost : public ::testing::TestWithParam<Backend> {
 protected:
  void SetUp() override {
    if (const std::string reason = why_unavailable(GetParam()); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
    recorder_.emplace(device(device_of(GetParam())));
  }

  template <class Family>
  std::unique_ptr<Family> recorded(std::unique_ptr<Family> kernel) {
    kernel->charge_to(*recorder_);
    return kernel;
  }

  /// What was charged since the last call: by `calls` calls, and as it was declared.
  Cost charged_as_declared(const Cost& declared, int calls = 1) {
    calls_ += calls;
    EXPECT_EQ(recorder_->calls(), calls_);
    const Cost charged = recorder_->take();
    EXPECT_EQ(charged.flop, declared.flop);
    EXPECT_EQ(charged.bytes, declared.bytes);
    return charged;
  }

  [[nodiscard]] static RowsView view(std::vector<float>& values, std::int64_t count = rows) {
    return {values.data(), DType::float32, {count, std::ssize(values) / count}};
  }

  DeviceMirror on_{GetParam()};

 private:
  std::optional<RecordingDevice> recorder_;
  int calls_ = 0;
};

TEST_P(KernelCost, RmsNorm) {
  const auto norm = recorded(make_rms_norm(GetParam()));
  std::vector<float> x = numbers(rows * columns), branch = x, sum = x, y = x, dy = x, residual = x, dx = x;
  std::vector<float> weight = numbers(columns), dweight = weight, inverse_rms = numbers(rows);
  RmsNormForward forward{.x = on_(view(x)),
                         .branch = on_(view(branch)),
                         .sum = on_(view(sum)),
                         .weight = on_(weight),
                         .y = on_(view(y)),
                         .inverse_rms = on_(inverse_rms)};
  norm->forward(forward);
  const Cost with_branch = charged_as_declared(cost_of(forward));
  forward.branch = {};
  forward.sum = {};
  norm->forward(forward);
  const Cost alone = charged_as_declared(cost_of(forward));

  RmsNormBackward backward{.dy = on_(view(dy)),
                           .x = on_(view(x)),
                           .weight = on_(weight),
                           .inverse_rms = on_(inverse_rms),
                           .residual_gradient = on_(view(residual)),
                           .dx = on_(view(dx)),
                           .dweight = on_(dweight)};
  norm->backward(backward);
  const Cost with_residual = charged_as_declared(cost_of(backward));
  backward.residual_gradient = {};
  norm->backward(backward);
  const Cost without_residual = charged_as_declared(cost_of(backward));

  const std::vector<Counted> in = counted(columns);
  std::vector<Counted> out = in, sums = in;
  const double one_row = Counted::operations_of([&] { reference::rms_norm<Counted>(in, in, 1e-6, out); });
  EXPECT_EQ(alone.flop, rows * one_row);
  EXPECT_EQ(with_branch.flop, rows * (one_row + columns)) << "the branch is one addition an element";
  const double one_row_back =
      Counted::operations_of([&] { reference::rms_norm_backward<Counted>(in, in, in, 0.5, out, sums); });
  EXPECT_EQ(with_residual.flop, rows * one_row_back);
  EXPECT_EQ(without_residual.flop, rows * (one_row_back - columns));

  constexpr std::int64_t operand = rows * columns * float_bytes;
  EXPECT_EQ(alone.bytes, 2 * operand + rows * float_bytes);
  EXPECT_EQ(with_branch.bytes, 4 * operand + rows * float_bytes);
  EXPECT_EQ(without_residual.bytes, 3 * operand + rows * float_bytes);
  EXPECT_EQ(with_residual.bytes, 4 * operand + rows * float_bytes);
}

TEST_P(KernelCost, Rope) {
  const auto rope = recorded(make_rope(GetParam()));
  constexpr std::int64_t batch = 2, heads = 3, head_size = 8;
  std::vector<float> x = numbers(batch * rows * heads * head_size);
  std::vector<float> cosine = numbers(rows * head_size / 2), sine = cosine;
  for (const RopePairing pairing : {RopePairing::interleaved, RopePairing::half_split}) {
    const RopeRotation rotation{.x = on_(ActivationView(x.data(), DType::float32, {batch, rows, heads, head_size})),
                                .cosine = on_(TensorView<const float, 2>(cosine.data(), {rows, head_size / 2})),
                                .sine = on_(TensorView<const float, 2>(sine.data(), {rows, head_size / 2})),
                                .pairing = pairing};
    rope->rotate(rotation);
    const Cost cost = charged_as_declared(cost_of(rotation));
    std::vector<Counted> head = counted(head_size);
    const std::vector<Counted> angles = counted(head_size / 2);
    const double one_head = Counted::operations_of(
        [&] { reference::rotate<Counted>(head, angles, angles, pairing, RopeDirection::forward); });
    EXPECT_EQ(cost.flop, batch * rows * heads * one_head);
    EXPECT_EQ(cost.bytes, 2 * batch * rows * heads * head_size * 4 + 2 * rows * 4 * 4);
  }
}

TEST_P(KernelCost, SwiGlu) {
  const auto swiglu = recorded(make_swiglu(GetParam()));
  std::vector<float> gate = numbers(rows * columns), up = gate, y = gate, dy = gate, dgate = gate, dup = gate;
  const SwiGluForward forward{.gate = on_(view(gate)), .up = on_(view(up)), .y = on_(view(y))};
  swiglu->forward(forward);
  const Cost forward_cost = charged_as_declared(cost_of(forward));
  SwiGluBackward backward{.dy = on_(view(dy)),
                          .gate = on_(view(gate)),
                          .up = on_(view(up)),
                          .dgate = on_(view(dgate)),
                          .dup = on_(view(dup)),
                          .y = on_(view(y))};
  swiglu->backward(backward);
  const Cost with_result = charged_as_declared(cost_of(backward));
  backward.y = {};
  swiglu->backward(backward);
  const Cost alone = charged_as_declared(cost_of(backward));

  const double one_forward = Counted::operations_of([] { reference::swiglu<Counted>(0.5, 0.25); });
  const double one_backward = Counted::operations_of([] { reference::swiglu_backward<Counted>(1, 0.5, 0.25); });
  EXPECT_EQ(forward_cost.flop, rows * columns * one_forward);
  EXPECT_EQ(alone.flop, rows * columns * one_backward);
  EXPECT_EQ(with_result.flop, rows * columns * (one_backward + 2)) << "gate * sigmoid * up: its sigmoid is there";
  EXPECT_EQ(forward_cost.bytes, 3 * rows * columns * float_bytes);
  EXPECT_EQ(alone.bytes, 5 * rows * columns * float_bytes);
  EXPECT_EQ(with_result.bytes, 6 * rows * columns * float_bytes);
}

TEST_P(KernelCost, Embedding) {
  const auto embedding = recorded(make_embedding(GetParam()));
  std::vector<std::int32_t> tokens{2, 0, 2, 1, 0};
  std::vector<float> table = numbers(3 * columns), y = numbers(rows * columns);
  const EmbeddingForward forward{.tokens = on_(tokens), .table = on_(view(table, 3)), .y = on_(view(y))};
  embedding->forward(forward);
  const Cost read = charged_as_declared(cost_of(forward));
  const EmbeddingBackward backward{
      .tokens = on_(tokens), .dy = on_(view(y)), .dtable = on_(TensorView<float, 2>(table.data(), {3, columns}))};
  embedding->backward(backward);
  const Cost added = charged_as_declared(cost_of(backward));

  std::vector<Counted> counted_table = counted(3 * columns), counted_y = counted(rows * columns);
  EXPECT_EQ(read.flop,
            Counted::operations_of([&] { reference::look_up<Counted>(tokens, counted_table, 0, columns, counted_y); }));
  EXPECT_EQ(added.flop, Counted::operations_of([&] {
              reference::look_up_backward<Counted>(tokens, counted_y, 0, columns, counted_table);
            }));
  EXPECT_EQ(read.bytes, 2 * rows * columns * float_bytes + rows * 4);
  EXPECT_EQ(added.bytes, rows * columns * float_bytes + rows * 4 + 3 * columns * 2 * float_bytes);
  EXPECT_EQ(cost_of(backward, 2).bytes, added.bytes - columns * 2 * float_bytes) << "a row less that is touched";
}

TEST_P(KernelCost, CrossEntropy) {
  const auto loss = recorded(make_cross_entropy(GetParam()));
  std::vector<float> logits = numbers(rows * columns), nll = numbers(rows), weights = nll, sum = nll, maximum = nll;
  std::vector<float> target_logit = nll;
  std::vector<std::int32_t> targets{0, 1, 2, 3, 4};
  const TensorView<float, 2> view = on_(TensorView<float, 2>(logits.data(), {rows, columns}));
  const CrossEntropyForward forward{.logits = view, .targets = on_(targets), .nll = on_(nll)};
  loss->forward(forward);
  const Cost forward_cost = charged_as_declared(cost_of(forward));
  const CrossEntropyBackward backward{
      .logits = view, .targets = on_(targets), .weights = on_(weights), .nll = on_(nll)};
  loss->backward(backward);
  const Cost backward_cost = charged_as_declared(cost_of(backward));
  const CrossEntropyShard shard{.logits = view, .targets = on_(targets), .vocab_begin = 0};
  loss->shard_maximum(shard, on_(maximum));
  const Cost of_maximum = charged_as_declared(cost_of(shard, ShardStep::maximum));
  loss->shard_exponentials(shard, on_(maximum), on_(sum), on_(target_logit));
  const Cost of_exponentials = charged_as_declared(cost_of(shard, ShardStep::exponentials));
  loss->shard_gradient(shard, on_(sum), on_(weights));
  const Cost of_gradient = charged_as_declared(cost_of(shard, ShardStep::gradient));

  std::vector<Counted> row = counted(columns);
  const double exponentials = Counted::operations_of([&] { reference::exponentiate<Counted>(row, 1); });
  const double gradient = Counted::operations_of([&] { reference::softmax_gradient<Counted>(row, 2, 3, 1); });
  const double whole = Counted::operations_of([&] { reference::cross_entropy<Counted>(row, 3, 1); });
  EXPECT_EQ(backward_cost.flop, rows * whole);
  EXPECT_EQ(forward_cost.flop, rows * (whole - gradient));
  EXPECT_EQ(of_maximum.flop, 0);
  EXPECT_EQ(of_exponentials.flop, rows * exponentials);
  EXPECT_EQ(of_gradient.flop, rows * gradient);
  for (const Cost& reading : {forward_cost, of_maximum}) {
    EXPECT_EQ(reading.bytes, rows * columns * float_bytes);
  }
  for (const Cost& writing : {backward_cost, of_exponentials, of_gradient}) {
    EXPECT_EQ(writing.bytes, 2 * rows * columns * float_bytes);
  }
}

/// The update rule as optimizer.hpp and AdamWFactors have it.
void update(const row::AdamWFactors& factors, Counted gradient, Counted& parameter, Counted& first, Counted& second) {
  const Counted scaled = Counted(factors.gradient_scale) * gradient;
  first = Counted(factors.beta1) * first + Counted(factors.one_minus_beta1) * scaled;
  second = Counted(factors.beta2) * second + Counted(factors.one_minus_beta2) * scaled * scaled;
  const Counted root = sqrt(second) * Counted(factors.inverse_root_correction) + Counted(factors.epsilon);
  parameter = parameter * Counted(factors.decay) - Counted(factors.step_size) * first / root;
}

TEST_P(KernelCost, Optimizer) {
  const auto optimizer = recorded(make_optimizer(GetParam()));
  constexpr std::int64_t count = 11;
  std::vector<float> parameter = numbers(count), gradient = parameter, first = parameter, second = parameter;
  std::vector<bf16> copy(count);
  const AdamWOptions options{.learning_rate = 0.125, .gradient_scale = 0.5, .step = 3};
  Counted counted_parameter = parameter[1], counted_first = first[1], counted_second = second[1];
  const double one = Counted::operations_of(
      [&] { update(factors_of(options), gradient[1], counted_parameter, counted_first, counted_second); });
  AdamWRange range{.parameter = on_(parameter),
                   .gradient = on_(gradient),
                   .first_moment = on_(first),
                   .second_moment = on_(second),
                   .bfloat16_copy = on_(copy)};
  optimizer->adamw(range, options);
  on_.fetch();
  EXPECT_NEAR(parameter[1], counted_parameter.value(), 1e-6) << "what was counted is not what the kernel computes";
  const Cost with_copy = charged_as_declared(cost_of(range));
  EXPECT_EQ(with_copy.flop, count * one);
  EXPECT_EQ(with_copy.bytes, count * 30);
  range.bfloat16_copy = {};
  optimizer->adamw(range, options);
  EXPECT_EQ(charged_as_declared(cost_of(range)).bytes, count * 28);

  const std::array<std::span<const float>, 2> ranges{range.gradient.first(4), range.gradient.subspan(4)};
  static_cast<void>(optimizer->sum_of_squares_of_ranges(ranges));
  const Cost squares = charged_as_declared(cost_of(ranges));
  EXPECT_EQ(squares.flop, 2 * count);
  EXPECT_EQ(squares.bytes, 4 * count);
  static_cast<void>(optimizer->sum_of_squares(range.gradient));
  EXPECT_EQ(charged_as_declared(squares).flop, 2 * count);
}

TEST_P(KernelCost, Convolution) {
  const auto convolution = recorded(make_convolution(GetParam()));
  constexpr std::int64_t frames = 2, height = 5, width = 4, inputs = 3, outputs = 2;
  for (const ConvolutionShape& shape : {ConvolutionShape{}, ConvolutionShape{3, 2, 0, 1}}) {
    const std::array<std::int64_t, 4> x_shape{frames, height, width, inputs}, weight_shape{3, 3, inputs, outputs};
    const std::array<std::int64_t, 4> y_shape{frames, shape.output_side(height), shape.output_side(width), outputs};
    const std::int64_t x_size = element_count(x_shape), y_size = element_count(y_shape);
    const std::int64_t weight_size = element_count(weight_shape);
    std::vector<float> x = numbers(x_size), weight = numbers(weight_size), y = numbers(y_size), residual = y, dx = x;
    std::vector<float> bias = numbers(outputs), dbias = bias, dweight = weight;
    ConvolutionForward forward{.shape = shape,
                               .x = on_(TensorView<float, 4>(x.data(), x_shape)),
                               .weight = on_(TensorView<float, 4>(weight.data(), weight_shape)),
                               .bias = on_(bias).data(),
                               .residual = on_(residual).data(),
                               .y = on_(TensorView<float, 4>(y.data(), y_shape))};
    convolution->forward(forward);
    const Cost whole = charged_as_declared(cost_of(forward));
    forward.bias = nullptr;
    forward.residual = nullptr;
    convolution->forward(forward);
    const Cost product = charged_as_declared(cost_of(forward));
    ConvolutionBackward backward{.shape = shape,
                                 .dy = forward.y,
                                 .x = forward.x,
                                 .weight = forward.weight,
                                 .dx = on_(TensorView<float, 4>(dx.data(), x_shape)),
                                 .adds_to_dx = true,
                                 .dweight = on_(TensorView<float, 4>(dweight.data(), weight_shape)),
                                 .dbias = on_(dbias).data()};
    convolution->backward(backward);
    const Cost added = charged_as_declared(cost_of(backward));
    backward.adds_to_dx = false;
    convolution->backward(backward);
    const Cost overwritten = charged_as_declared(cost_of(backward));
    backward.dx = {};
    backward.dbias = nullptr;
    convolution->backward(backward);
    const Cost of_weight = charged_as_declared(cost_of(backward));

    const ConvolutionExtents extents(shape, x_shape, weight_shape);
    using Numbers = std::span<const Counted>;
    const std::vector<Counted> of_x = counted(x_size), of_kernel = counted(weight_size), of_y = counted(y_size);
    const std::vector<Counted> of_outputs = counted(outputs);
    std::vector<Counted> to_x = of_x, to_kernel = of_kernel, to_y = of_y, to_outputs = of_outputs;
    const auto forward_operations = [&](Numbers with_bias, Numbers with_residual) {
      return Counted::operations_of(
          [&] { reference::convolve<Counted>(extents, of_x, of_kernel, with_bias, with_residual, to_y); });
    };
    const auto weight_operations = [&](std::span<Counted> with_bias) {
      return Counted::operations_of(
          [&] { reference::convolve_backward_weight<Counted>(extents, of_y, of_x, to_kernel, with_bias); });
    };
    const double data_operations =
        Counted::operations_of([&] { reference::convolve_backward_data<Counted>(extents, of_y, of_kernel, to_x); });
    EXPECT_EQ(product.flop, forward_operations({}, {}));
    EXPECT_EQ(whole.flop, forward_operations(of_outputs, of_y));
    EXPECT_EQ(of_weight.flop, weight_operations({}));
    EXPECT_EQ(overwritten.flop, weight_operations(to_outputs) + data_operations);
    EXPECT_EQ(added.flop, overwritten.flop + static_cast<double>(x_size));
    EXPECT_EQ(product.bytes, float_bytes * (x_size + weight_size + y_size));
    EXPECT_EQ(whole.bytes, product.bytes + float_bytes * (outputs + y_size));
    EXPECT_EQ(of_weight.bytes, float_bytes * (y_size + x_size + 2 * weight_size));
    EXPECT_EQ(overwritten.bytes, of_weight.bytes + float_bytes * (weight_size + x_size + 2 * outputs));
    EXPECT_EQ(added.bytes, overwritten.bytes + float_bytes * x_size);
  }
}

TEST_P(KernelCost, Upsampling) {
  const auto upsampling = recorded(make_upsampling(GetParam()));
  constexpr std::array<std::int64_t, 4> small{2, 3, 2, 4}, large{2, 6, 4, 4};
  std::vector<float> x = numbers(element_count(small)), y = numbers(element_count(large));
  const TensorView<float, 4> x_there = on_(TensorView<float, 4>(x.data(), small));
  const TensorView<float, 4> y_there = on_(TensorView<float, 4>(y.data(), large));
  const UpsamplingForward forward{.x = x_there, .y = y_there};
  upsampling->forward(forward);
  const Cost copied = charged_as_declared(cost_of(forward));
  const UpsamplingBackward backward{.dy = y_there, .dx = x_there};
  upsampling->backward(backward);
  const Cost summed = charged_as_declared(cost_of(backward));

  const std::vector<Counted> from = counted(element_count(large));
  std::vector<Counted> to = counted(element_count(small));
  EXPECT_EQ(copied.flop, 0);
  EXPECT_EQ(summed.flop, Counted::operations_of([&] { reference::upsample_backward<Counted>(small, from, to); }));
  EXPECT_EQ(copied.bytes, float_bytes * 5 * element_count(small));
  EXPECT_EQ(summed.bytes, float_bytes * 5 * element_count(small));
}

TEST_P(KernelCost, GroupNorm) {
  const auto norm = recorded(make_group_norm(GetParam()));
  constexpr std::int64_t frames = 2, pixels = 6, channels = 8, groups = 4;
  constexpr std::int64_t elements = frames * pixels * channels;
  std::vector<float> x = numbers(elements), y = x, dy = x, dx = x;
  std::vector<float> scale = numbers(channels), bias = scale, dscale = scale, dbias = scale;
  std::vector<float> mean = numbers(frames * groups), rstd = mean;
  const auto images = [&](std::vector<float>& values) {
    return on_(TensorView<float, 4>(values.data(), {frames, 2, 3, channels}));
  };
  const auto statistics = [&](std::vector<float>& values) {
    return on_(TensorView<float, 2>(values.data(), {frames, groups}));
  };
  const std::vector<Counted> in = counted(pixels * channels), of_channels = counted(channels),
                             of_groups = counted(groups);
  std::vector<Counted> out = in, to_scale = of_channels, to_bias = of_channels, to_mean = of_groups,
                       to_rstd = of_groups;
  for (const Activation activation : {Activation::none, Activation::silu}) {
    const GroupNormForward forward{.groups = groups,
                                   .activation = activation,
                                   .x = images(x),
                                   .scale = on_(scale).data(),
                                   .bias = on_(bias).data(),
                                   .y = images(y),
                                   .mean = statistics(mean),
                                   .rstd = statistics(rstd)};
    norm->forward(forward);
    const Cost forward_cost = charged_as_declared(cost_of(forward));
    EXPECT_EQ(forward_cost.flop, frames * Counted::operations_of([&] {
                                   reference::group_norm<Counted>(in, of_channels, of_channels, 1e-6, activation, out,
                                                                  to_mean, to_rstd);
                                 }));
    EXPECT_EQ(forward_cost.bytes, float_bytes * (2 * elements + 2 * frames * groups));
    for (const bool adds_to_dx : {false, true}) {
      const GroupNormBackward backward{.groups = groups,
                                       .activation = activation,
                                       .dy = images(dy),
                                       .x = images(x),
                                       .scale = on_(scale).data(),
                                       .bias = on_(bias).data(),
                                       .mean = statistics(mean),
                                       .rstd = statistics(rstd),
                                       .dx = images(dx),
                                       .adds_to_dx = adds_to_dx,
                                       .dscale = on_(dscale).data(),
                                       .dbias = on_(dbias).data()};
      norm->backward(backward);
      const Cost backward_cost = charged_as_declared(cost_of(backward));
      EXPECT_EQ(backward_cost.flop, frames * Counted::operations_of([&] {
                                      reference::group_norm_backward<Counted>(in, in, of_channels, of_channels,
                                                                              activation, of_groups, of_groups,
                                                                              adds_to_dx, out, to_scale, to_bias);
                                    }));
      EXPECT_EQ(backward_cost.bytes, float_bytes * ((adds_to_dx ? 4 : 3) * elements + 2 * frames * groups));
    }
  }
}

/// Scores z.e - |e|^2 / 2 of all codes, and the distance to one.
void search_by_products(const std::vector<Counted>& z, const std::vector<Counted>& codebook, std::size_t size) {
  std::vector<Counted> offsets;
  for (std::size_t begin = 0; begin < codebook.size(); begin += size) {
    Counted square = 0;
    for (std::size_t d = 0; d < size; ++d) {
      square += codebook[begin + d] * codebook[begin + d];
    }
    offsets.push_back(square);
  }
  for (std::size_t row = 0; row < z.size(); row += size) {
    for (std::size_t k = 0; k < offsets.size(); ++k) {
      Counted product = 0;
      for (std::size_t d = 0; d < size; ++d) {
        product += z[row + d] * codebook[k * size + d];
      }
      static_cast<void>(product - offsets[k] * Counted(0.5));
    }
    Counted distance = 0;
    for (std::size_t d = 0; d < size; ++d) {
      const Counted difference = z[row + d] - codebook[d];
      distance += difference * difference;
    }
  }
}

TEST_P(KernelCost, VectorQuantizer) {
  const auto quantizer = recorded(make_vector_quantizer(GetParam()));
  constexpr std::int64_t codes = 3;
  std::vector<float> z = numbers(rows * columns), quantized = z, dquantized = z, dz = z, error = numbers(rows);
  std::vector<float> codebook = numbers(codes * columns), dcodebook = codebook;
  std::vector<std::int32_t> found(rows);
  const auto vectors = [&](std::vector<float>& values) {
    return on_(TensorView<float, 2>(values.data(), {std::ssize(values) / columns, columns}));
  };
  NearestCode search{
      .z = vectors(z), .codebook = vectors(codebook), .codes = on_(found).data(), .squared_error = on_(error).data()};
  quantizer->nearest(search);
  const Cost with_error = charged_as_declared(cost_of(search));
  search.squared_error = nullptr;
  quantizer->nearest(search);
  const Cost without_error = charged_as_declared(cost_of(search));
  EXPECT_EQ(with_error.flop, Counted::operations_of([&] {
              search_by_products(counted(rows * columns), counted(codes * columns), columns);
            }));
  EXPECT_EQ(with_error.flop, without_error.flop);
  EXPECT_EQ(without_error.bytes, float_bytes * (rows + codes) * columns + 4 * rows);
  EXPECT_EQ(with_error.bytes, without_error.bytes + float_bytes * rows);

  const CodeLookUp look_up{.codes = search.codes, .codebook = search.codebook, .quantized = vectors(quantized)};
  quantizer->look_up(look_up);
  const Cost read = charged_as_declared(cost_of(look_up));
  EXPECT_EQ(read.flop, 0);
  EXPECT_EQ(read.bytes, 2 * float_bytes * rows * columns + 4 * rows);

  const QuantizerBackward backward{.codes = search.codes,
                                   .z = search.z,
                                   .codebook = search.codebook,
                                   .dquantized = vectors(dquantized),
                                   .codebook_scale = 0.5F,
                                   .commitment_scale = 0.25F,
                                   .dz = vectors(dz),
                                   .dcodebook = vectors(dcodebook)};
  quantizer->backward(backward);
  const Cost gradients = charged_as_declared(cost_of(backward));
  const std::vector<Counted> in = counted(columns);
  std::vector<Counted> out = in, sums = in;
  EXPECT_EQ(gradients.flop, rows * Counted::operations_of([&] {
                              reference::quantizer_backward<Counted>(in, in, in, 0.5, 0.25, out, sums);
                            }));
  EXPECT_EQ(gradients.bytes, 3 * float_bytes * rows * columns + 4 * rows + 3 * float_bytes * codes * columns);
}

TEST_P(KernelCost, ReconstructionLoss) {
  const auto loss = recorded(make_reconstruction_loss(GetParam()));
  std::vector<float> reconstruction = numbers(rows * columns), target(reconstruction.size()), gradient = target;
  std::vector<float> sums(2 * rows);
  const auto frames = [&](std::vector<float>& values) {
    return on_(TensorView<float, 2>(values.data(), {rows, std::ssize(values) / rows}));
  };
  ReconstructionLossPass pass{.reconstruction = frames(reconstruction),
                              .target = frames(target),
                              .absolute_scale = 1.0F,
                              .squared_scale = 1.0F,
                              .absolute_and_squared = frames(sums),
                              .dreconstruction = frames(gradient)};
  loss->forward_backward(pass);
  const Cost with_gradient = charged_as_declared(cost_of(pass));
  pass.dreconstruction = {};
  loss->forward_backward(pass);
  const Cost alone = charged_as_declared(cost_of(pass));
  const std::vector<Counted> in = counted(rows * columns), zeros(in.size());
  EXPECT_EQ(alone.flop, Counted::operations_of([&] { reference::reconstruction_sums<Counted>(in, zeros); }));
  const double one_gradient = Counted::operations_of([] { reference::reconstruction_gradient<Counted>(0.5, 1, 2); });
  EXPECT_EQ(with_gradient.flop, alone.flop + rows * columns * one_gradient);
  EXPECT_EQ(alone.bytes, float_bytes * 2 * rows * (columns + 1));
  EXPECT_EQ(with_gradient.bytes, alone.bytes + float_bytes * rows * columns);
}

TEST_P(KernelCost, Matmul) {
  const auto matmul = recorded(make_matmul(GetParam()));
  constexpr std::int64_t m = 2, n = 3, k = 5;
  std::vector<float> a = numbers(m * k), b = numbers(k * n), c = numbers(m * n);
  MatmulProblem problem{.m = m,
                        .n = n,
                        .k = k,
                        .a = on_(a).data(),
                        .a_leading = k,
                        .b = on_(b).data(),
                        .b_leading = n,
                        .c = on_(c).data(),
                        .c_leading = n};
  matmul->multiply(problem);
  const Cost written = charged_as_declared(cost_of(problem));
  problem.is_accumulating = true;
  matmul->multiply(problem);
  const Cost added = charged_as_declared(cost_of(problem));
  const double operations = Counted::operations_of([&] {
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < n; ++j) {
        Counted sum = 0;
        for (std::int64_t term = 0; term < k; ++term) {
          sum +=
              Counted(a[static_cast<std::size_t>(i * k + term)]) * Counted(b[static_cast<std::size_t>(term * n + j)]);
        }
      }
    }
  });
  EXPECT_EQ(written.flop, operations);
  EXPECT_EQ(added.flop, operations);
  EXPECT_EQ(written.bytes, 4 * (m * k + k * n + m * n));
  EXPECT_EQ(added.bytes, 4 * (m * k + k * n + 2 * m * n));
}

TEST_P(KernelCost, TensorOps) {
  const auto ops = recorded(make_tensor_ops(GetParam()));
  constexpr std::int64_t count = rows * columns;
  std::vector<float> from = numbers(count), to = from, by_row = numbers(rows), by_column = numbers(columns);
  std::vector<bf16> halves(count);
  std::vector<std::int32_t> index{4, 3, 2, 1, 0}, found(rows);
  const RowsView rounded = on_(RowsView(halves.data(), DType::bfloat16, {rows, columns}));
  const auto heads = [](const RowsView& view) {
    return ActivationView(view.data, view.dtype, {1, rows, 2, columns / 2});
  };
  const RowsView from_view = on_(view(from)), to_view = on_(view(to));
  const auto strided = [](const RowsView& view) {
    return TensorView<float, 2>(static_cast<float*>(view.data), {rows, columns});
  };

  // Each call, its FLOP and its bytes.
  const auto expect = [&](const char* call, double flop, double bytes) {
    SCOPED_TRACE(call);
    charged_as_declared({.flop = flop, .bytes = bytes});
  };
  ops->fill_zero(on_(to));
  expect("fill_zero", 0, 4 * count);
  ops->fill_zero(to_view);
  expect("fill_zero of rows", 0, 4 * count);
  ops->copy(std::span<const float>(on_(from)), on_(to).data());
  expect("copy", 0, 8 * count);
  ops->copy_rows(from_view, rounded);
  expect("copy_rows", 0, 6 * count);
  ops->copy_activations(heads(from_view), heads(rounded));
  expect("copy_activations", 0, 6 * count);
  ops->copy_strided(strided(from_view), strided(to_view));
  expect("copy_strided", 0, 8 * count);
  ops->add(on_(from), on_(to));
  expect("add", count, 12 * count);
  ops->add_to_rows(on_(by_column), to_view);
  expect("add_to_rows", count, 8 * count);
  ops->add_column_sums(rounded, on_(by_column));
  expect("add_column_sums", count, 2 * count);
  ops->scale_rows(on_(by_row), rounded);
  expect("scale_rows", count, 4 * count);
  ops->find_row_maxima(from_view, {.maximum = on_(by_row), .index = on_(found)});
  expect("find_row_maxima", 0, 4 * count);
  ops->gather_rows(from_view, on_(index), to_view);
  expect("gather_rows", 0, 8 * count);
  ops->scatter_rows(from_view, on_(index), to_view);
  expect("scatter_rows", 0, 8 * count);
}

/// Pairs that a mask without documents leaves visible.
std::int64_t count_pairs(std::int64_t queries, std::int64_t keys, const BlockMask& mask) {
  std::int64_t pairs = 0;
  for (std::int64_t i = 0; i < queries; ++i) {
    for (std::int64_t j = 0; j < keys; ++j) {
      pairs += !mask.is_causal || j <= i + mask.diagonal ? 1 : 0;
    }
  }
  return pairs;
}

TEST_P(KernelCost, BlockAttention) {
  constexpr std::int64_t batch = 2, queries = 5, keys = 7, heads = 4, kv_heads = 2, head_size = 16;
  const auto attention = recorded(make_block_attention(GetParam(), {.head_size = head_size, .scale = 0.25F}));
  constexpr std::int64_t query_elements = batch * queries * heads * head_size;
  constexpr std::int64_t key_elements = batch * keys * kv_heads * head_size;
  constexpr std::int64_t state_rows = batch * heads * queries;
  std::vector<float> q = numbers(query_elements), out = q, dout = q, dq = q, output = q;
  std::vector<float> k = numbers(key_elements), v = k, dk = k, dv = k;
  std::vector<float> maximum = numbers(state_rows), sum = maximum, delta = maximum;
  std::vector<std::int32_t> query_ids(batch * queries), key_ids(batch * keys);
  const auto of_queries = [&](std::vector<float>& values) {
    return on_(TensorView<float, 4>(values.data(), {batch, queries, heads, head_size}));
  };
  const auto of_keys = [&](std::vector<float>& values) {
    return on_(TensorView<float, 4>(values.data(), {batch, keys, kv_heads, head_size}));
  };
  const auto of_rows = [&](std::vector<float>& values) {
    return on_(TensorView<float, 3>(values.data(), {batch, heads, queries}));
  };
  const AttentionState state{.maximum = of_rows(maximum),
                             .sum = of_rows(sum),
                             .output = on_(TensorView<float, 4>(output.data(), {batch, heads, queries, head_size}))};
  const ActivationView result = of_queries(out);
  attention->reset(state);
  EXPECT_EQ(charged_as_declared(cost_of(state)).bytes, 2 * state_rows * 4);

  BackwardBlock backward{.q = of_queries(q),
                         .k = of_keys(k),
                         .v = of_keys(v),
                         .dout = of_queries(dout),
                         .maximum = state.maximum,
                         .sum = state.sum,
                         .delta = of_rows(delta),
                         .mask = {}};
  BlockGradients gradients{.dq = of_queries(dq), .dk = of_keys(dk), .dv = of_keys(dv)};
  ForwardBlock forward{.q = backward.q, .k = backward.k, .v = backward.v, .mask = {}};
  for (const std::int64_t diagonal : {-100, -6, -5, -4, -1, 0, 1, 2, 3, 5, 6, 7, 100}) {
    for (const bool is_causal : {true, false}) {
      forward.mask = backward.mask = {
          .is_causal = is_causal, .diagonal = diagonal, .query_document_ids = {}, .key_document_ids = {}};
      const auto pairs = static_cast<double>(batch * heads * count_pairs(queries, keys, forward.mask));
      attention->accumulate(forward, state, {});
      EXPECT_EQ(charged_as_declared(cost_of(forward, {})).flop, 4 * head_size * pairs) << diagonal;
      attention->backward(backward, gradients, {});
      EXPECT_EQ(charged_as_declared(cost_of(backward, gradients)).flop, 10 * head_size * pairs) << diagonal;
    }
  }
  EXPECT_EQ(cost_of(forward, {}).bytes, 4 * (query_elements + 2 * key_elements + 4 * state_rows + 2 * query_elements));
  attention->accumulate(forward, state, result, {});
  EXPECT_EQ(charged_as_declared(cost_of(forward, result)).bytes, cost_of(forward, {}).bytes) << "out, not the sums";
  EXPECT_EQ(cost_of(backward, gradients).bytes,
            4 * (2 * query_elements + 2 * key_elements + 3 * state_rows + 2 * query_elements + 4 * key_elements));
  gradients.overwrites_keys = true;
  attention->backward(backward, gradients, {});
  EXPECT_EQ(charged_as_declared(cost_of(backward, gradients)).bytes,
            4 * (2 * query_elements + 2 * key_elements + 3 * state_rows + 2 * query_elements + 2 * key_elements));
  const double without_documents = cost_of(forward, {}).bytes;
  forward.mask.query_document_ids = on_(TensorView<const std::int32_t, 2>(query_ids.data(), {batch, queries}));
  forward.mask.key_document_ids = on_(TensorView<const std::int32_t, 2>(key_ids.data(), {batch, keys}));
  attention->accumulate(forward, state, {});
  EXPECT_EQ(charged_as_declared(cost_of(forward, {})).bytes, without_documents + 4 * batch * (queries + keys));

  // A block that is stopped is charged whole: its cost is known before its first tile.
  static_cast<void>(attention->accumulate(forward, state, [] { return false; }));
  charged_as_declared(cost_of(forward, {}));
  std::vector<float> other_maximum = numbers(state_rows), other_sum = other_maximum, other_output = output;
  const AttentionState other{
      .maximum = of_rows(other_maximum),
      .sum = of_rows(other_sum),
      .output = on_(TensorView<float, 4>(other_output.data(), {batch, heads, queries, head_size}))};
  attention->merge(other, state);
  const Cost merging = charged_as_declared(cost_of_merge(state));
  EXPECT_EQ(merging.flop, 3 * query_elements);
  EXPECT_EQ(merging.bytes, 3 * 4 * (2 * state_rows + query_elements));
  attention->rescale(other.maximum, state);
  const Cost scaling = charged_as_declared(cost_of_rescale(state));
  EXPECT_EQ(scaling.flop, query_elements);
  EXPECT_EQ(scaling.bytes, 4 * (5 * state_rows + 2 * query_elements));
  attention->finalize(state, result);
  const Cost ending = charged_as_declared(cost_of(state, result));
  EXPECT_EQ(ending.flop, query_elements);
  EXPECT_EQ(ending.bytes, 4 * (state_rows + 2 * query_elements));
  attention->output_dot_gradient(result, backward.dout, of_rows(delta));
  const Cost product = charged_as_declared(cost_of(ConstActivationView(result), backward.dout));
  EXPECT_EQ(product.flop, 2 * query_elements);
  EXPECT_EQ(product.bytes, 4 * (2 * query_elements + state_rows));
}

TEST_P(KernelCost, ARefusedCallIsNotCharged) {
  const auto matmul = recorded(make_matmul(GetParam()));
  EXPECT_THROW(matmul->multiply({.m = -1}), Error);
  charged_as_declared({}, 0);
}

/// What a kernel writes is looked at as well, so those that compute nothing are left out.
std::vector<Backend> computing_backends() {
  std::vector<Backend> found;
  std::ranges::copy_if(all_backends, std::back_inserter(found),
                       [](Backend backend) { return traits_of(backend).computes; });
  return found;
}

INSTANTIATE_TEST_SUITE_P(Backends, KernelCost, ::testing::ValuesIn(computing_backends()),
                         [](const auto& test) { return std::string(name_of(test.param)); });

TEST(AttentionCost, OfAWholeSequenceEqualsCounting) {
  constexpr std::int64_t length = 13, batch = 2, heads = 3, head_size = 16;
  const SequenceExtents extents{
      .context_length = length, .batch = batch, .heads = heads, .kv_heads = 1, .head_size = head_size};
  for (const bool is_causal : {true, false}) {
    const BlockMask mask{.is_causal = is_causal, .diagonal = 0, .query_document_ids = {}, .key_document_ids = {}};
    const auto pairs = static_cast<double>(batch * heads * count_pairs(length, length, mask));
    EXPECT_EQ(cost_of_forward(extents, is_causal).flop, pairs * head_size * 2 * 2) << "q k, p v";
    EXPECT_EQ(cost_of_backward(extents, is_causal).flop, pairs * head_size * 2 * 5)
        << "q k, dout v, p dout, ds k, ds q";
  }
}

TEST(AttentionCost, OfAMillionTokensDoesNotOverflow) {
  const SequenceExtents extents{
      .context_length = std::int64_t{1} << 20, .batch = 1, .heads = 32, .kv_heads = 32, .head_size = 128};
  // 4 * 2^12 * 2^40 = 2^54 full, 1.8e16; causal is half of it and half a diagonal.
  EXPECT_DOUBLE_EQ(cost_of_forward(extents, false).flop, 0x1.0p54);
  EXPECT_NEAR(cost_of_forward(extents, true).flop / 0x1.0p53, 1.0, 1e-5);
}

TEST(AttentionCost, BytesOfAWholeSequenceByHand) {
  SequenceExtents extents{.context_length = 10, .batch = 2, .heads = 4, .kv_heads = 2, .head_size = 16};
  // fp32: q, out 256 bytes a token each, k, v 128 each, maximum and sum 16 each.
  EXPECT_EQ(cost_of_forward(extents, true).bytes, 20 * (768 + 32));
  // q, dout, k, v as before, maximum, sum and delta 16 each; dq 256, dk, dv 128 each, all read and written.
  EXPECT_EQ(cost_of_backward(extents, true).bytes, 20 * (768 + 48 + 1024));
  extents.dtype = DType::bfloat16;
  extents.has_documents = true;
  EXPECT_EQ(cost_of_backward(extents, true).bytes, 20 * (384 + 4 + 48 + 1024));
}

TEST(MatmulCost, ExtentsThatOverflow32BitsDoNotOverflow) {
  EXPECT_EQ(matmul_flop(1 << 20, 1 << 17, 1 << 14), 0x1.0p52);
}

}  // namespace
}  // namespace ringworld::test
