#include "kernels/matmul/matmul.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "core/error.hpp"
#include "core/random.hpp"

namespace ringworld {
namespace {

std::vector<float> normals(std::int64_t count, std::uint64_t stream) {
  const CounterRng rng(7, stream);
  std::vector<float> values;
  for (std::uint64_t index = 0; static_cast<std::int64_t>(values.size()) < count; ++index) {
    for (const float value : rng.normals(index)) {
      values.push_back(value);
    }
  }
  values.resize(static_cast<std::size_t>(count));
  return values;
}

struct Case {
  std::int64_t m, n, k;
  bool is_a_transposed, is_b_transposed, is_accumulating;
};

class MatmulCase : public testing::TestWithParam<Case> {};

TEST_P(MatmulCase, HostEqualsReference) {
  const Case shape = GetParam();
  constexpr std::int64_t padding = 3;  // leading dimensions beyond the extents
  const std::int64_t a_leading = (shape.is_a_transposed ? shape.m : shape.k) + padding;
  const std::int64_t b_leading = (shape.is_b_transposed ? shape.k : shape.n) + padding;
  const std::int64_t c_leading = shape.n + padding;
  const std::vector<float> a = normals((shape.is_a_transposed ? shape.k : shape.m) * a_leading, 1);
  const std::vector<float> b = normals((shape.is_b_transposed ? shape.n : shape.k) * b_leading, 2);
  const std::vector<float> start = normals(shape.m * c_leading, 3);
  const auto run = [&](Backend backend) {
    std::vector<float> c = start;
    make_matmul(backend)->multiply({.m = shape.m,
                                    .n = shape.n,
                                    .k = shape.k,
                                    .a = a.data(),
                                    .a_leading = a_leading,
                                    .is_a_transposed = shape.is_a_transposed,
                                    .b = b.data(),
                                    .b_leading = b_leading,
                                    .is_b_transposed = shape.is_b_transposed,
                                    .c = c.data(),
                                    .c_leading = c_leading,
                                    .is_accumulating = shape.is_accumulating});
    return c;
  };
  const std::vector<float> exact = run(Backend::reference);
  const std::vector<float> fast = run(Backend::host);
  // fp32 sums of k products of standard normals: rounding grows with the square root of k.
  const double bound = 1e-6 * std::sqrt(static_cast<double>(shape.k) + 1) * 4;
  for (std::int64_t i = 0; i < shape.m; ++i) {
    for (std::int64_t j = 0; j < c_leading; ++j) {
      const auto index = static_cast<std::size_t>(i * c_leading + j);
      if (j < shape.n) {
        EXPECT_NEAR(fast[index], exact[index], bound) << i << ", " << j;
      } else {
        EXPECT_EQ(fast[index], start[index]) << "written beyond the row";
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, MatmulCase,
                         testing::Values(Case{1, 1, 1, false, false, false}, Case{5, 7, 3, false, true, false},
                                         Case{33, 65, 129, true, false, true}, Case{64, 48, 100, true, true, false},
                                         Case{17, 130, 31, false, false, true}));

TEST(Matmul, RefusesALeadingDimensionThatDoesNotFit) {
  std::vector<float> data(16);
  MatmulProblem problem{.m = 4,
                        .n = 4,
                        .k = 4,
                        .a = data.data(),
                        .a_leading = 3,
                        .b = data.data(),
                        .b_leading = 4,
                        .c = data.data(),
                        .c_leading = 4};
  EXPECT_THROW(make_matmul(Backend::reference)->multiply(problem), Error);
}

TEST(Matmul, NamesTheBackendsThatHaveIt) {
  try {
    (void)make_matmul(Backend::cuda);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::bad_input);
    EXPECT_NE(std::string(error.what()).find("reference or host"), std::string::npos);
  }
}

}  // namespace
}  // namespace ringworld
