/// @file  What a mask hides is absent, whatever its bits are; what is seen and not finite shows.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "device/device.hpp"
#include "kernels/attention/block_problem.hpp"

namespace ringworld::test {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

const float quiet_nan = std::numeric_limits<float>::quiet_NaN();
const float full_nan = std::bit_cast<float>(0x7fffffffU);
const float signalling_nan = std::bit_cast<float>(0xff810001U);

/// NaN of several payloads, both infinities, and numbers whose products overflow; some of them on an emulated device.
std::vector<float> garbage(Backend backend) {
  if (device_of(backend) == DeviceKind::cuda) {
    return {full_nan, 1e30F};
  }
  return {quiet_nan, full_nan, signalling_nan, infinity, -infinity, 1e30F, -3e38F};
}

/// The operand that a test spoils.
enum class Operand : std::uint8_t { q, k, v, dout };
constexpr std::array operands{Operand::q, Operand::k, Operand::v, Operand::dout};

bool is_of_keys(Operand operand) { return operand == Operand::k || operand == Operand::v; }

ActivationView operand_of(BlockProblem& problem, Operand operand) {
  switch (operand) {
    case Operand::q:
      return problem.q();
    case Operand::k:
      return problem.k();
    case Operand::v:
      return problem.v();
    case Operand::dout:
      return problem.dout();
  }
  return {};
}

/// Puts `value` into the columns from `first_column` on of tokens, in all heads.
void spoil(const ActivationView& tensor, const std::vector<std::int64_t>& tokens, float value,
           std::int64_t first_column) {
  with_type(tensor.dtype, [&](auto element) {
    const auto typed = tensor.as<decltype(element)>();
    for (std::int64_t b = 0; b < tensor.batch(); ++b) {
      for (const std::int64_t t : tokens) {
        for (std::int64_t h = 0; h < tensor.heads(); ++h) {
          for (std::int64_t d = first_column; d < tensor.head_size(); ++d) {
            typed(b, t, h, d) = decltype(element)(value);
          }
        }
      }
    }
  });
}

/// Documents of uneven length with padding among them and at the end; the same for queries and keys.
std::int32_t document_of(std::int64_t /*b*/, std::int64_t t) {
  if (t % 13 == 7 || t >= 170) {
    return -1 - static_cast<std::int32_t>(t % 3);
  }
  return t < 90 ? 0 : (t < 97 ? 1 : 2);
}

constexpr std::int64_t tokens = 180;

BlockCase make_case(DType dtype, std::int64_t head_size, bool has_documents) {
  BlockCase block_case{.query_tokens = tokens,
                       .key_tokens = tokens,
                       .heads = 2,
                       .kv_heads = 1,
                       .head_size = head_size,
                       .query_dtype = dtype,
                       .key_dtype = dtype,
                       .diagonal = 0,
                       .parts = 2};
  if (has_documents) {
    block_case.query_document = document_of;
    block_case.key_document = document_of;
  }
  return block_case;
}

/// Whether a query sees a key, in a case of `make_case`.
bool sees(bool has_documents, std::int64_t query, std::int64_t key) {
  return key <= query &&
         (!has_documents || (document_of(0, query) >= 0 && document_of(0, query) == document_of(0, key)));
}

/// Which rows of the results may depend on the tokens that are spoiled.
struct Reached {
  std::vector<bool> out;
  std::vector<bool> dq;
  std::vector<bool> keys;  ///< dk and dv
};

Reached reached_by(bool has_documents, Operand operand, const std::vector<std::int64_t>& spoiled) {
  Reached reached{std::vector<bool>(tokens), std::vector<bool>(tokens), std::vector<bool>(tokens)};
  for (const std::int64_t token : spoiled) {
    for (std::int64_t query = 0; query < tokens; ++query) {
      // A query that sees no key has no result that anything could reach.
      const bool is_hit =
          is_of_keys(operand) ? sees(has_documents, query, token) : query == token && sees(has_documents, query, query);
      if (is_hit) {
        reached.out[static_cast<std::size_t>(query)] = operand != Operand::dout;
        reached.dq[static_cast<std::size_t>(query)] = true;
        for (std::int64_t key = 0; key < tokens; ++key) {
          if (sees(has_documents, query, key)) {
            reached.keys[static_cast<std::size_t>(key)] = true;
          }
        }
      }
    }
  }
  return reached;
}

/// A (1, tokens, heads, D) result: rows that nothing has reached are those of the clean run.
::testing::AssertionResult untouched_rows_agree(const std::string& name, const std::vector<double>& actual,
                                                const std::vector<double>& clean, const std::vector<bool>& reached,
                                                Tolerance tolerance) {
  std::vector<double> values = actual;
  std::vector<double> wanted = clean;
  const std::size_t row = values.size() / tokens;
  for (std::size_t index = 0; index < values.size(); ++index) {
    if (reached[index / row]) {
      values[index] = wanted[index] = 0.0;
    }
  }
  return is_close(name, values, wanted, tolerance, smallest_gradient);
}

/// Every row that was reached holds a number that is none.
::testing::AssertionResult reached_rows_show(const std::string& name, const std::vector<double>& actual,
                                             const std::vector<bool>& reached) {
  const std::size_t row = actual.size() / tokens;
  for (std::size_t token = 0; token < static_cast<std::size_t>(tokens); ++token) {
    const auto begin = actual.begin() + static_cast<std::ptrdiff_t>(token * row);
    const bool shows = std::any_of(begin, begin + static_cast<std::ptrdiff_t>(row),
                                   [](double value) { return !std::isfinite(value); });
    if (reached[token] && !shows) {
      return ::testing::AssertionFailure() << name << ": row " << token << " hides what it has seen";
    }
  }
  return ::testing::AssertionSuccess();
}

struct AllResults {
  std::vector<double> out, dq, dk, dv;
};

AllResults run(BlockAttention& attention, BlockProblem& problem, std::int64_t parts) {
  const BlockResults results = problem.results();
  run_forward(attention, problem.operands(), results, parts);
  run_backward(attention, problem.operands(), results, parts);
  return {.out = to_doubles(ConstActivationView(results.out)),
          .dq = to_doubles(results.gradients.dq),
          .dk = to_doubles(results.gradients.dk),
          .dv = to_doubles(results.gradients.dv)};
}

class BlockAttentionHiddenTokens : public BackendTest {
 protected:
  /// Spoils tokens of one operand after the other, and looks at every row.
  static void check(const BlockCase& block_case, const std::vector<std::int64_t>& spoiled,
                    const std::vector<float>& values) {
    const bool has_documents = static_cast<bool>(block_case.query_document);
    const auto attention = make(block_case.head_size);
    BlockProblem clean_problem(block_case);
    const AllResults clean = run(*attention, clean_problem, block_case.parts);
    const Tolerance tolerance = tolerance_of(GetParam(), block_case.narrowest());
    for (const Operand operand : operands) {
      const Reached reached = reached_by(has_documents, operand, spoiled);
      for (const float value : values) {
        SCOPED_TRACE(fmt::format("operand {} of {}, value {}", static_cast<int>(operand), block_case.head_size, value));
        BlockProblem problem(block_case);
        spoil(operand_of(problem, operand), spoiled, value, block_case.head_size / 3);
        const AllResults actual = run(*attention, problem, block_case.parts);
        EXPECT_TRUE(untouched_rows_agree("out", actual.out, clean.out, reached.out, tolerance));
        EXPECT_TRUE(untouched_rows_agree("dq", actual.dq, clean.dq, reached.dq, tolerance));
        EXPECT_TRUE(untouched_rows_agree("dk", actual.dk, clean.dk, reached.keys, tolerance));
        EXPECT_TRUE(untouched_rows_agree("dv", actual.dv, clean.dv, reached.keys, tolerance));
        if (std::isnan(value)) {
          EXPECT_TRUE(reached_rows_show("out", actual.out, reached.out));
          EXPECT_TRUE(reached_rows_show("dq", actual.dq, reached.dq));
          EXPECT_TRUE(reached_rows_show("dk", actual.dk, reached.keys));
        }
      }
    }
  }
};

std::vector<std::int64_t> padding() {
  std::vector<std::int64_t> found;
  for (std::int64_t token = 0; token < tokens; ++token) {
    if (document_of(0, token) < 0) {
      found.push_back(token);
    }
  }
  return found;
}

TEST_P(BlockAttentionHiddenTokens, PaddingReachesNothing) {
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    const Reached reached = reached_by(true, Operand::v, padding());
    ASSERT_TRUE(std::ranges::none_of(reached.dq, std::identity()));
    check(make_case(dtype, 64, true), padding(), garbage(GetParam()));
  }
}

TEST_P(BlockAttentionHiddenTokens, AnotherDocumentReachesNothingAndItsOwnShows) {
  // The document of seven tokens, then one token of the first document and one of the last.
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    check(make_case(dtype, 64, true), {90, 91, 92, 93, 95, 96}, {quiet_nan, infinity});
    check(make_case(dtype, 64, true), {33, 131}, {full_nan});
  }
}

TEST_P(BlockAttentionHiddenTokens, ALaterTokenReachesNothingAndAnEarlierOneShows) {
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    for (const std::int64_t head_size : {16, 72}) {
      check(make_case(dtype, head_size, false), {tokens - 1}, garbage(GetParam()));
      check(make_case(dtype, head_size, false), {70}, {signalling_nan});
    }
  }
}

TEST_P(BlockAttentionHiddenTokens, QueriesThatSeeNothingEndAsZero) {
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    const BlockCase block_case = make_case(dtype, 64, true);
    const auto attention = make(block_case.head_size);
    BlockProblem problem(block_case);
    for (const Operand operand : operands) {
      spoil(operand_of(problem, operand), padding(), operand == Operand::k ? infinity : full_nan, 0);
    }
    const AllResults results = run(*attention, problem, block_case.parts);
    for (const auto* values : {&results.out, &results.dq, &results.dk, &results.dv}) {
      const std::size_t row = values->size() / tokens;
      for (const std::int64_t token : padding()) {
        for (std::size_t column = 0; column < row; ++column) {
          ASSERT_EQ((*values)[static_cast<std::size_t>(token) * row + column], 0.0) << token;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, BlockAttentionHiddenTokens, ::testing::ValuesIn(tested_backends()),
                         backend_test_name);

}  // namespace
}  // namespace ringworld::test
