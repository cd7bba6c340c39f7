#include "kernels/matmul/matmul.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "core/random.hpp"
#include "kernels/matmul/host/libraries.hpp"
#include "support/available_device.hpp"
#include "support/device_mirror.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

/// A padded matrix of normals, in either type.
class Matrix {
 public:
  Matrix(DType dtype, std::int64_t rows, std::int64_t leading, std::uint64_t stream)
      : dtype_(dtype), bytes_(static_cast<std::size_t>(rows * leading * size_of(dtype))) {
    const CounterRng rng(7, stream);
    for (std::int64_t i = 0; i < rows * leading; ++i) {
      set(i, rng.normals(static_cast<std::uint64_t>(i / 4))[static_cast<std::size_t>(i % 4)]);
    }
  }

  [[nodiscard]] std::span<std::byte> bytes() { return bytes_; }
  [[nodiscard]] float at(std::int64_t index) const {
    return with_type(dtype_, [&](auto type) {
      using T = decltype(type);
      return static_cast<float>(reinterpret_cast<const T*>(bytes_.data())[index]);
    });
  }
  void set(std::int64_t index, float value) {
    with_type(dtype_, [&](auto type) {
      using T = decltype(type);
      reinterpret_cast<T*>(bytes_.data())[index] = static_cast<T>(value);
    });
  }

 private:
  DType dtype_;
  std::vector<std::byte> bytes_;
};

struct Extents {
  std::int64_t m, n, k;
};
struct Types {
  DType operands, result;
};

using Factory = std::function<std::unique_ptr<Matmul>(const KernelOptions&)>;

Factory made_on(Backend backend) {
  return [backend](const KernelOptions& options) { return make_matmul(backend, options); };
}

constexpr std::int64_t padding = 3;  // leading dimensions beyond the extents

/// A problem with its operands.
class Product {
 public:
  Product(Extents extents, Types types, bool is_a_transposed, bool is_b_transposed, bool is_accumulating,
          std::uint64_t seed = 0)
      : extents_(extents),
        a_leading_((is_a_transposed ? extents.m : extents.k) + padding),
        b_leading_((is_b_transposed ? extents.k : extents.n) + padding),
        c_leading_(extents.n + padding),
        types_(types),
        is_a_transposed_(is_a_transposed),
        is_b_transposed_(is_b_transposed),
        is_accumulating_(is_accumulating),
        a_(types.operands, is_a_transposed ? extents.k : extents.m, a_leading_, 3 * seed + 1),
        b_(types.operands, is_b_transposed ? extents.n : extents.k, b_leading_, 3 * seed + 2),
        start_(types.result, extents.m, c_leading_, 3 * seed + 3) {}

  [[nodiscard]] Matrix result_of(Matmul& matmul, Backend backend = Backend::host) {
    Matrix c = start_;
    DeviceMirror on(backend);
    matmul.multiply({.m = extents_.m,
                     .n = extents_.n,
                     .k = extents_.k,
                     .dtype = types_.operands,
                     .c_dtype = types_.result,
                     .a = on(a_.bytes()).data(),
                     .a_leading = a_leading_,
                     .is_a_transposed = is_a_transposed_,
                     .b = on(b_.bytes()).data(),
                     .b_leading = b_leading_,
                     .is_b_transposed = is_b_transposed_,
                     .c = on(c.bytes()).data(),
                     .c_leading = c_leading_,
                     .is_accumulating = is_accumulating_});
    on.fetch();
    return c;
  }

  void expect_equal_to_reference(const Matrix& fast) {
    const Matrix exact = result_of(*make_matmul(Backend::reference));
    // fp32 sums of k products of standard normals: rounding grows with the square root of k. A bfloat16 result is
    // rounded once more, by half of 2^-7 of itself, and may then fall to either side.
    const double sum_error = 4e-6 * std::sqrt(static_cast<double>(extents_.k) + 1);
    const double result_error = types_.result == DType::bfloat16 ? 0x1.0p-7 : 0.0;
    for (std::int64_t i = 0; i < extents_.m; ++i) {
      for (std::int64_t j = 0; j < c_leading_; ++j) {
        const std::int64_t index = i * c_leading_ + j;
        if (j < extents_.n) {
          const auto expected = static_cast<double>(exact.at(index));
          EXPECT_NEAR(fast.at(index), expected, sum_error + result_error * std::abs(expected)) << i << ", " << j;
        } else {
          EXPECT_EQ(fast.at(index), start_.at(index)) << "written beyond the row";
        }
      }
    }
  }

 private:
  Extents extents_;
  std::int64_t a_leading_, b_leading_, c_leading_;
  Types types_;
  bool is_a_transposed_, is_b_transposed_, is_accumulating_;
  Matrix a_, b_, start_;
};

constexpr std::array all_types{Types{DType::float32, DType::float32}, Types{DType::bfloat16, DType::float32},
                               Types{DType::bfloat16, DType::bfloat16}};

/// Every library of the host backend, and the products of kokkos and cuda.
struct Library {
  std::string name;
  Factory make;
  Backend backend = Backend::host;
};

class MatmulLibrary : public testing::TestWithParam<Library> {
 protected:
  void SetUp() override {
    if (const std::string reason = why_unavailable(GetParam().backend); !reason.empty()) {
      GTEST_SKIP() << reason;
    }
  }

  static void expect_equal_to_reference(Product& product, Matmul& matmul) {
    product.expect_equal_to_reference(product.result_of(matmul, GetParam().backend));
  }
};

TEST_P(MatmulLibrary, EqualsReferenceForEveryTypeAndTransposition) {
  for (const int threads : {1, 2}) {
    const auto matmul = GetParam().make({.threads = threads});
    for (const Types types : all_types) {
      for (const Extents extents : {Extents{1, 1, 1}, Extents{1, 2500, 33}, Extents{3, 37, 70}, Extents{4, 48, 64},
                                    Extents{5, 7, 3}, Extents{33, 65, 129}, Extents{64, 48, 100}}) {
        for (int flags = 0; flags < 8; ++flags) {
          Product product(extents, types, (flags & 1) != 0, (flags & 2) != 0, (flags & 4) != 0);
          SCOPED_TRACE(testing::Message() << extents.m << "x" << extents.n << "x" << extents.k << " flags " << flags
                                          << " " << name_of(types.operands) << " to " << name_of(types.result));
          expect_equal_to_reference(product, *matmul);
        }
      }
    }
  }
}

TEST_P(MatmulLibrary, EqualsReferenceForLargeResults) {
  // Large results take another way through oneDNN.
  const auto matmul = GetParam().make({.threads = 2});
  for (int flags = 0; flags < 8; ++flags) {
    Product product({1025, 1030, 9}, all_types[0], (flags & 1) != 0, (flags & 2) != 0, (flags & 4) != 0);
    SCOPED_TRACE(testing::Message() << "flags " << flags);
    expect_equal_to_reference(product, *matmul);
  }
}

TEST_P(MatmulLibrary, AShapeIsMultipliedAgainOnOtherOperands) {
  const auto matmul = GetParam().make({});
  Product first({40, 24, 56}, all_types[0], false, true, false);
  Product second({40, 24, 56}, all_types[0], false, true, false, 1);
  for (int turn = 0; turn < 2; ++turn) {
    expect_equal_to_reference(first, *matmul);
    expect_equal_to_reference(second, *matmul);
  }
}

INSTANTIATE_TEST_SUITE_P(Libraries, MatmulLibrary,
                         testing::Values(Library{"onednn", make_onednn_matmul}, Library{"openblas", make_blas_matmul},
                                         Library{"few_rows",
                                                 [](const KernelOptions& options) {
                                                   return make_few_rows_matmul(options, make_onednn_matmul(options));
                                                 }},
                                         Library{"widened",
                                                 [](const KernelOptions& options) {
                                                   return make_widened_matmul(make_onednn_matmul(options));
                                                 }},
                                         Library{"kokkos", made_on(Backend::kokkos), Backend::kokkos},
                                         Library{"cublas", made_on(Backend::cuda), Backend::cuda}),
                         [](const auto& instance) { return instance.param.name; });

TEST(Matmul, AProductOfNothingIsZeroAndAddsNothing) {
  for (const Backend backend : {Backend::reference, Backend::kokkos, Backend::host, Backend::cuda}) {
    if (!why_unavailable(backend).empty()) {
      continue;
    }
    for (const Types types : all_types) {
      const auto matmul = make_matmul(backend);
      const Matrix cleared = Product({3, 4, 0}, types, false, false, false).result_of(*matmul, backend);
      const Matrix kept = Product({3, 4, 0}, types, false, false, true).result_of(*matmul, backend);
      const Matrix start(types.result, 3, 4 + padding, 3);
      for (std::int64_t index = 0; index < 3 * (4 + padding); ++index) {
        EXPECT_EQ(cleared.at(index), index % (4 + padding) < 4 ? 0.0F : start.at(index)) << index;
        EXPECT_EQ(kept.at(index), start.at(index)) << index;
      }
      EXPECT_NO_THROW(static_cast<void>(Product({0, 4, 5}, types, false, false, false).result_of(*matmul, backend)));
      EXPECT_NO_THROW(static_cast<void>(Product({3, 0, 5}, types, false, false, false).result_of(*matmul, backend)));
    }
  }
}

TEST(Matmul, RefusesWhatCannotBe) {
  std::vector<float> data(16);
  const MatmulProblem fitting{.m = 4,
                              .n = 4,
                              .k = 4,
                              .a = data.data(),
                              .a_leading = 4,
                              .b = data.data(),
                              .b_leading = 4,
                              .c = data.data(),
                              .c_leading = 4};
  for (const Backend backend : {Backend::reference, Backend::host}) {
    const auto refuses = [&](MatmulProblem problem, std::string_view part) {
      expect_error(ErrorKind::internal, [&] { make_matmul(backend)->multiply(problem); }, {part});
    };
    MatmulProblem problem = fitting;
    problem.a_leading = 3;
    refuses(problem, "leading dimension of A");
    problem = fitting;
    problem.m = -1;
    refuses(problem, "negative");
    problem = fitting;
    problem.c_dtype = DType::bfloat16;
    refuses(problem, "bfloat16 only where A and B are");
  }
}

TEST(Matmul, RefusesLessThanOneThread) {
  expect_error(ErrorKind::bad_input, [] { static_cast<void>(make_matmul(Backend::host, {.threads = 0})); },
               {"threads is 0"});
}

}  // namespace
}  // namespace ringworld::test
