#include "kernels/rope/rope.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/elementwise/backend_case.hpp"
#include "kernels/elementwise/finite_difference.hpp"
#include "kernels/rope/reference/rotate.hpp"
#include "support/device_mirror.hpp"
#include "support/expect_error.hpp"
#include "support/random_tensors.hpp"

namespace ringworld::test {
namespace {

/// A table of its own.
class Table {
 public:
  Table(std::span<const std::int64_t> positions, const RopeOptions& options)
      : cosine_({std::ssize(positions), options.head_size / 2}), sine_({std::ssize(positions), options.head_size / 2}) {
    build_rope_table(positions, options, cosine_.view(), sine_.view());
    EXPECT_TRUE(cosine_.guards_are_intact() && sine_.guards_are_intact());
  }
  [[nodiscard]] TensorView<float, 2> cosine() { return cosine_.view(); }
  [[nodiscard]] TensorView<float, 2> sine() { return sine_.view(); }

 private:
  Tensor<float, 2> cosine_;
  Tensor<float, 2> sine_;
};

class RopeCase : public BackendTest {};

/// Queries and keys of one interleaved buffer: the heads of q are turned, the others must stay.
std::vector<double> rotate_slice(Backend backend, DType dtype, std::int64_t head_size, RopePairing pairing,
                                 bool is_per_batch) {
  constexpr std::int64_t batch = 2;
  constexpr std::int64_t tokens = 5;
  constexpr std::int64_t heads = 3;
  ActivationTensor qkv(dtype, {batch, tokens, heads + 2, head_size});
  fill_normal(qkv.view(), 3, 1);
  const std::vector<std::int64_t> positions = is_per_batch ? std::vector<std::int64_t>{0, 9, 2, 70000, 4, 7, 6, 5, 4, 3}
                                                           : std::vector<std::int64_t>{1048575, 0, 17, 3, 100};
  Table table(positions, {.head_size = head_size, .theta = 1e6});
  ActivationView q = qkv.view();
  q.shape[2] = heads;
  DeviceMirror on(backend);
  static_cast<void>(on(qkv.view()));  // the heads that must stay as well
  make_rope(backend)->rotate({.x = on(q), .cosine = on(table.cosine()), .sine = on(table.sine()), .pairing = pairing});
  on.fetch();
  EXPECT_TRUE(qkv.guards_are_intact());
  return to_doubles(ConstActivationView(qkv.view()));
}

TEST_P(RopeCase, EqualsReference) {
  for (const std::int64_t head_size : {2, 24, 64, 100, 128}) {
    for (const RopePairing pairing : {RopePairing::interleaved, RopePairing::half_split}) {
      for (const bool is_per_batch : {false, true}) {
        const auto actual = rotate_slice(backend(), dtype(), head_size, pairing, is_per_batch);
        const auto expected = rotate_slice(Backend::reference, dtype(), head_size, pairing, is_per_batch);
        EXPECT_TRUE(is_close("x", actual, expected, rounded_tolerance())) << name_of(pairing) << " D " << head_size;
      }
    }
  }
}

TEST_P(RopeCase, TurningBackRestores) {
  const std::vector<std::int64_t> positions{5, 4, 3, 2, 1000000};
  Table table(positions, {.head_size = 24, .theta = 1e4});
  for (const RopePairing pairing : {RopePairing::interleaved, RopePairing::half_split}) {
    ActivationTensor x(dtype(), {1, 5, 2, 24});
    fill_normal(x.view(), 3, 1);
    const std::vector<double> before = to_doubles(ConstActivationView(x.view()));
    DeviceMirror on(backend());
    for (const RopeDirection direction : {RopeDirection::forward, RopeDirection::inverse}) {
      make_rope(backend())->rotate({.x = on(x.view()),
                                    .cosine = on(table.cosine()),
                                    .sine = on(table.sine()),
                                    .pairing = pairing,
                                    .direction = direction});
    }
    on.fetch();
    EXPECT_TRUE(is_close("x", to_doubles(ConstActivationView(x.view())), before, rounded_tolerance()));
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, RopeCase, testing::ValuesIn(backend_cases()), backend_case_name);

TEST(Rope, InverseRotationIsTheGradient) {
  const std::vector<double> x = normal_doubles(24, 1);
  const std::vector<double> dy = normal_doubles(24, 2);
  std::vector<double> cosine;
  std::vector<double> sine;
  for (const double angle : normal_doubles(12, 3)) {
    cosine.push_back(std::cos(angle));
    sine.push_back(std::sin(angle));
  }
  for (const RopePairing pairing : {RopePairing::interleaved, RopePairing::half_split}) {
    std::vector<double> dx = dy;
    reference::rotate<double>(dx, cosine, sine, pairing, RopeDirection::inverse);
    expect_gradient("dx", x, dx, [&](std::vector<double> at) {
      reference::rotate<double>(at, cosine, sine, pairing, RopeDirection::forward);
      return dot(dy, at);
    });
  }
}

TEST(Rope, ScoresDependOnDistanceOnly) {
  const std::vector<std::int64_t> positions{3, 10, 1003, 1010};
  Table table(positions, {.head_size = 64, .theta = 1e6, .precision = AnglePrecision::float64});
  for (const RopePairing pairing : {RopePairing::interleaved, RopePairing::half_split}) {
    // Query at rows 0 and 2, key at rows 1 and 3: the same vectors, the same distance.
    Tensor<float, 4> x({1, 4, 1, 64});
    for (std::int64_t d = 0; d < 64; ++d) {
      const auto normal = CounterRng(1, 1).normals(static_cast<std::uint64_t>(d));
      x.view()(0, 0, 0, d) = x.view()(0, 2, 0, d) = normal[0];
      x.view()(0, 1, 0, d) = x.view()(0, 3, 0, d) = normal[1];
    }
    make_rope(Backend::reference)
        ->rotate({.x = x.view(), .cosine = table.cosine(), .sine = table.sine(), .pairing = pairing});
    const auto score = [&](std::int64_t query, std::int64_t key) {
      double sum = 0;
      for (std::int64_t d = 0; d < 64; ++d) {
        sum += static_cast<double>(x.view()(0, query, 0, d)) * static_cast<double>(x.view()(0, key, 0, d));
      }
      return sum;
    };
    EXPECT_NEAR(score(0, 1), score(2, 3), 1e-5);
  }
}

TEST(RopeTable, Fp32AnglesAreThoseOfLwmAndOffFarAway) {
  // Frequencies rounded to fp32 and their product with the position as well: numpy's
  // np.outer(np.arange(n), 1 / theta ** (np.arange(0, D, 2).astype("f4") / D)).astype("f4").
  const std::vector<std::int64_t> positions{0, 1, 1048575};
  const RopeOptions options{.head_size = 128, .theta = 5e7};
  Table lwm(positions, options);
  Table exact(positions, {.head_size = 128, .theta = 5e7, .precision = AnglePrecision::float64});
  double largest = 0;
  for (std::int64_t i = 0; i < 64; ++i) {
    EXPECT_EQ(lwm.cosine()(0, i), 1.0F);
    EXPECT_EQ(lwm.sine()(0, i), 0.0F);
    EXPECT_NEAR(lwm.sine()(1, i), exact.sine()(1, i), 1e-6F);
    const double angle = std::atan2(static_cast<double>(lwm.sine()(2, i)), static_cast<double>(lwm.cosine()(2, i)));
    const double right = 1048575.0 * std::pow(5e7, -static_cast<double>(i) / 64);
    EXPECT_NEAR(exact.cosine()(2, i), std::cos(right), 1e-6);
    largest = std::max(largest, std::abs(std::remainder(angle - right, 2 * M_PI)));
  }
  EXPECT_GT(largest, 0.02);
  EXPECT_LT(largest, 0.06);
}

TEST(RopeTable, RefusesWhatCannotTurn) {
  Tensor<float, 2> table({1, 12});
  const std::vector<std::int64_t> position{0};
  const auto build = [&](RopeOptions options) { build_rope_table(position, options, table.view(), table.view()); };
  expect_error(ErrorKind::bad_input, [&] { build({.head_size = 25}); }, {"head size 25"});
  expect_error(ErrorKind::bad_input, [&] { build({.head_size = 24, .theta = 0}); }, {"theta"});
  expect_error(ErrorKind::internal, [&] { build({.head_size = 26}); }, {"(positions, head_size / 2)"});
  Tensor<float, 4> x({1, 2, 1, 24});
  expect_error(
      ErrorKind::internal,
      [&] { make_rope(Backend::reference)->rotate({.x = x.view(), .cosine = table.view(), .sine = table.view()}); },
      {"one row a token"});
}

}  // namespace
}  // namespace ringworld::test
