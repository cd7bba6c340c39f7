#include "kernels/vector_quantizer/vector_quantizer.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/elementwise/backend_case.hpp"
#include "kernels/elementwise/finite_difference.hpp"
#include "kernels/elementwise/guarded_floats.hpp"
#include "kernels/vector_quantizer/reference/quantizer.hpp"
#include "support/device_mirror.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

struct Problem {
  std::int64_t vectors, codes, size;
};

/// One of each; sizes and counts that fill no register and no tile; a tokenizer's; none.
constexpr std::array problems{Problem{1, 1, 1},   Problem{5, 7, 3},   Problem{37, 256, 16}, Problem{66, 100, 64},
                              Problem{9, 33, 17}, Problem{130, 2, 5}, Problem{3, 1000, 4},  Problem{0, 8, 4}};

struct Found {
  std::vector<std::int32_t> codes;
  std::vector<float> errors;
  bool operator==(const Found&) const = default;
};

Found find(Backend backend, TensorView<const float, 2> z, TensorView<const float, 2> codebook, int threads = 1) {
  constexpr std::int32_t guard = -7;
  const std::int64_t count = z.shape[0];
  Found found{std::vector<std::int32_t>(static_cast<std::size_t>(count + 2), guard),
              std::vector<float>(static_cast<std::size_t>(count + 2), -1.0F)};
  DeviceMirror on(backend);
  const auto all_codes = on(found.codes);
  const auto all_errors = on(found.errors);
  make_vector_quantizer(backend, {.threads = threads})
      ->nearest({.z = on(z),
                 .codebook = on(codebook),
                 .codes = all_codes.data() + 1,
                 .squared_error = all_errors.data() + 1});
  on.fetch();
  EXPECT_TRUE(found.codes.front() == guard && found.codes.back() == guard) << "written beside the codes";
  EXPECT_TRUE(found.errors.front() == -1.0F && found.errors.back() == -1.0F) << "written beside the errors";
  return {{found.codes.begin() + 1, found.codes.end() - 1}, {found.errors.begin() + 1, found.errors.end() - 1}};
}

class VectorQuantizerCase : public BackendTest {};

TEST_P(VectorQuantizerCase, FindsTheCodesOfTheReference) {
  for (const Problem& problem : problems) {
    GuardedFloats<2> z({problem.vectors, problem.size}, 1), codebook({problem.codes, problem.size}, 2);
    const Found actual = find(backend(), z.view(), codebook.view());
    const Found expected = find(Backend::reference, z.view(), codebook.view());
    EXPECT_EQ(actual.codes, expected.codes);
    for (std::size_t t = 0; t < expected.errors.size(); ++t) {
      EXPECT_NEAR(actual.errors[t], expected.errors[t], 1e-6F * expected.errors[t]);
    }
  }
}

/// Everything lies around a point a thousand away: in fp32 the scores of near codes are equal, or in the wrong order.
TEST_P(VectorQuantizerCase, RoundingDoesNotChooseTheCode) {
  GuardedFloats<2> z({50, 16}, 1), codebook({200, 16}, 2);
  for (std::int64_t i = 0; i < z.view().size(); ++i) {
    z.view().data[i] += 1000.0F;
  }
  for (std::int64_t i = 0; i < codebook.view().size(); ++i) {
    codebook.view().data[i] += 1000.0F;
  }
  EXPECT_EQ(find(backend(), z.view(), codebook.view()), find(Backend::reference, z.view(), codebook.view()));
}

TEST_P(VectorQuantizerCase, TheFirstOfEqualsWins) {
  GuardedFloats<2> z({40, 8}, 1), codebook({96, 8}, 2);
  // Code k + 48 is code k again, and each vector lies on one.
  std::copy_n(codebook.view().data, 48 * 8, codebook.view().data + 48 * 8);
  for (std::int64_t t = 0; t < 40; ++t) {
    std::copy_n(&codebook.view()(95 - t, 0), 8, &z.view()(t, 0));
  }
  const Found found = find(backend(), z.view(), codebook.view());
  for (std::int32_t t = 0; t < 40; ++t) {
    EXPECT_EQ(found.codes[static_cast<std::size_t>(t)], 47 - t);
    EXPECT_EQ(found.errors[static_cast<std::size_t>(t)], 0.0F);
  }
  // In the middle of two different codes.
  const std::vector<float> middle{0.0F}, ends{3.0F, -1.0F, 1.0F, 1.0F};
  EXPECT_EQ(find(backend(), {middle.data(), {1, 1}}, {ends.data(), {4, 1}}).codes, std::vector<std::int32_t>{1});
}

TEST_P(VectorQuantizerCase, WhatIsNoNumberGetsTheFirstCodeAndLeavesOthersAlone) {
  GuardedFloats<2> z({6, 4}, 1), codebook({20, 4}, 2);
  z.view()(2, 1) = std::numeric_limits<float>::quiet_NaN();
  codebook.view()(0, 3) = std::numeric_limits<float>::quiet_NaN();
  codebook.view()(19, 0) = std::numeric_limits<float>::quiet_NaN();
  const Found actual = find(backend(), z.view(), codebook.view());
  EXPECT_EQ(actual.codes, find(Backend::reference, z.view(), codebook.view()).codes);
  EXPECT_EQ(actual.codes[2], 0);
  EXPECT_TRUE(std::isnan(actual.errors[2]));
}

TEST_P(VectorQuantizerCase, VectorsDoNotDependOnEachOther) {
  GuardedFloats<2> z({71, 16}, 1), codebook({64, 16}, 2);
  const Found together = find(backend(), z.view(), codebook.view());
  for (const std::int64_t begin : {0, 3, 64, 70}) {
    const Found alone = find(backend(), z.view().slice(0, begin, 1), codebook.view());
    EXPECT_EQ(alone.codes[0], together.codes[static_cast<std::size_t>(begin)]);
    EXPECT_EQ(alone.errors[0], together.errors[static_cast<std::size_t>(begin)]);
  }
}

std::vector<std::int32_t> some_codes(const Problem& problem) {
  std::vector<std::int32_t> codes;
  for (std::int64_t t = 0; t < problem.vectors; ++t) {
    codes.push_back(static_cast<std::int32_t>(t * t % problem.codes));
  }
  return codes;
}

TEST_P(VectorQuantizerCase, LooksUpTheVectorsOfCodes) {
  for (const Problem& problem : problems) {
    GuardedFloats<2> codebook({problem.codes, problem.size}, 1), quantized({problem.vectors, problem.size}, 2);
    const std::vector<std::int32_t> codes = some_codes(problem);
    DeviceMirror on(backend());
    make_vector_quantizer(backend())->look_up(
        {.codes = on(codes).data(), .codebook = on(codebook.view()), .quantized = on(quantized.view())});
    on.fetch();
    EXPECT_TRUE(quantized.guards_are_intact());
    for (std::int64_t t = 0; t < problem.vectors; ++t) {
      for (std::int64_t d = 0; d < problem.size; ++d) {
        ASSERT_EQ(quantized.view()(t, d), codebook.view()(codes[static_cast<std::size_t>(t)], d));
      }
    }
  }
}

struct Gradients {
  std::vector<double> dz, dcodebook;
};

Gradients run_backward(Backend backend, const Problem& problem, bool is_in_place) {
  GuardedFloats<2> z({problem.vectors, problem.size}, 1), codebook({problem.codes, problem.size}, 2);
  GuardedFloats<2> dquantized({problem.vectors, problem.size}, 3), dz({problem.vectors, problem.size}, 4);
  GuardedFloats<2> dcodebook({problem.codes, problem.size}, 5);
  const std::vector<std::int32_t> codes = some_codes(problem);
  GuardedFloats<2>& result = is_in_place ? dquantized : dz;
  DeviceMirror on(backend);
  make_vector_quantizer(backend)->backward({.codes = on(codes).data(),
                                            .z = on(z.view()),
                                            .codebook = on(codebook.view()),
                                            .dquantized = on(dquantized.view()),
                                            .codebook_scale = 0.5F,
                                            .commitment_scale = 0.125F,
                                            .dz = on(result.view()),
                                            .dcodebook = on(dcodebook.view())});
  on.fetch();
  EXPECT_TRUE(dz.guards_are_intact() && dquantized.guards_are_intact() && dcodebook.guards_are_intact());
  return {result.values(), dcodebook.values()};
}

TEST_P(VectorQuantizerCase, BackwardEqualsReference) {
  for (const Problem& problem : problems) {
    for (const bool is_in_place : {false, true}) {
      const Gradients actual = run_backward(backend(), problem, is_in_place);
      const Gradients expected = run_backward(Backend::reference, problem, is_in_place);
      EXPECT_TRUE(is_close("dz", actual.dz, expected.dz, row_in_fp32));
      EXPECT_TRUE(is_close("dcodebook", actual.dcodebook, expected.dcodebook, row_in_fp32));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, VectorQuantizerCase, testing::ValuesIn(float32_backend_cases()), backend_case_name);

TEST(VectorQuantizer, ThreadsDoNotChangeAResult) {
  GuardedFloats<2> z({300, 16}, 1), codebook({64, 16}, 2);
  EXPECT_EQ(find(Backend::host, z.view(), codebook.view()), find(Backend::host, z.view(), codebook.view(), 2));
}

/// The parts of the loss, each with what it holds still: commitment |z - sg(e)|^2 / 2, codebook |sg(z) - e|^2 / 2, and
/// a linear function of the quantised vector whose gradient passes straight through.
TEST(VectorQuantizer, GradientsEqualFiniteDifferences) {
  constexpr double codebook_scale = 0.5;
  constexpr double commitment_scale = 0.125;
  const std::vector<double> z = normal_doubles(12, 1);
  const std::vector<double> e = normal_doubles(12, 2);
  const std::vector<double> dquantized = normal_doubles(12, 3);
  std::vector<double> dz(12), de(12);
  reference::quantizer_backward<double>(dquantized, z, e, codebook_scale, commitment_scale, dz, de);
  const auto half_square = [](const std::vector<double>& a, const std::vector<double>& b) {
    double sum = 0;
    for (std::size_t d = 0; d < a.size(); ++d) {
      sum += (a[d] - b[d]) * (a[d] - b[d]) / 2;
    }
    return sum;
  };
  expect_gradient("dz", z, dz,
                  [&](const auto& at) { return dot(dquantized, at) + commitment_scale * half_square(at, e); });
  expect_gradient("de", e, de, [&](const auto& at) { return codebook_scale * half_square(z, at); });
}

TEST(VectorQuantizer, RefusesShapesThatContradictEachOther) {
  GuardedFloats<2> z({5, 4}, 1), codebook({3, 4}, 2);
  std::vector<std::int32_t> codes(5);
  const auto reference = make_vector_quantizer(Backend::reference);
  const auto refuses = [&](const NearestCode& search, std::string_view message) {
    expect_error(ErrorKind::internal, [&] { reference->nearest(search); }, {message});
  };
  refuses({.z = z.view().slice(1, 0, 3), .codebook = codebook.view(), .codes = codes.data()}, "not dense");
  refuses({.z = {z.view().data, {4, 5}}, .codebook = codebook.view(), .codes = codes.data()}, "the size of the");
  refuses({.z = z.view(), .codebook = codebook.view().slice(0, 0, 0), .codes = codes.data()}, "has no codes");
  refuses({.z = z.view(), .codebook = codebook.view()}, "codes are missing");
  codes[4] = 3;
  for (const Backend backend : {Backend::reference, Backend::host}) {
    expect_error(ErrorKind::internal,
                 [&] {
                   make_vector_quantizer(backend)->look_up(
                       {.codes = codes.data(), .codebook = codebook.view(), .quantized = z.view()});
                 },
                 {"outside the codebook"});
  }
  expect_error(ErrorKind::internal,
               [&] {
                 reference->backward({.codes = codes.data(),
                                      .z = z.view(),
                                      .codebook = codebook.view(),
                                      .dquantized = z.view(),
                                      .dz = z.view(),
                                      .dcodebook = z.view()});
               },
               {"dcodebook has not the shape"});
}

}  // namespace
}  // namespace ringworld::test
