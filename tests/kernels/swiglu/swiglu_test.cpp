#include "kernels/swiglu/swiglu.hpp"

#include <gtest/gtest.h>

#include "kernels/elementwise/backend_case.hpp"
#include "kernels/elementwise/finite_difference.hpp"
#include "kernels/elementwise/guarded_rows.hpp"
#include "kernels/swiglu/reference/swiglu.hpp"
#include "support/device_mirror.hpp"
#include "support/expect_error.hpp"

namespace ringworld::test {
namespace {

struct Results {
  std::vector<double> forward;
  std::vector<double> dgate_and_dup;
  std::vector<double> recomputed;
};

/// gate and up, and their gradients, are the halves of one buffer each.
Results run(Backend backend, DType dtype, std::int64_t tokens, std::int64_t columns, float factor) {
  GuardedRows gate_and_up(dtype, tokens, 2 * columns, 1, factor);
  GuardedRows gradients(dtype, tokens, 2 * columns, 2);
  GuardedRows y(dtype, tokens, columns, 3);
  GuardedRows dy(dtype, tokens, columns, 4);
  DeviceMirror on(backend);
  const RowsView gate_up_there = on(gate_and_up.view());
  const RowsView gate = gate_up_there.column_range(0, columns);
  const RowsView up = gate_up_there.column_range(columns, columns);
  const RowsView gradients_there = on(gradients.view());
  const auto swiglu = make_swiglu(backend);
  swiglu->forward({.gate = gate, .up = up, .y = on(y.view())});
  // The recomputed result replaces dy.
  swiglu->backward({.dy = on(dy.view()),
                    .gate = gate,
                    .up = up,
                    .dgate = gradients_there.column_range(0, columns),
                    .dup = gradients_there.column_range(columns, columns),
                    .y = on(dy.view())});
  on.fetch();
  EXPECT_TRUE(gate_and_up.guards_are_intact() && gradients.guards_are_intact() && y.guards_are_intact() &&
              dy.guards_are_intact());
  return {y.values(), gradients.values(), dy.values()};
}

class SwiGluCase : public BackendTest {};

TEST_P(SwiGluCase, EqualsReference) {
  for (const auto& [tokens, columns] :
       {std::pair<std::int64_t, std::int64_t>{5, 24}, {1, 1}, {7, 203}, {64, 128}, {3, 4104}}) {
    for (const float factor : {1.0F, 8.0F}) {
      const Results actual = run(backend(), dtype(), tokens, columns, factor);
      const Results expected = run(Backend::reference, dtype(), tokens, columns, factor);
      EXPECT_TRUE(is_close("y", actual.forward, expected.forward, rounded_tolerance()));
      EXPECT_TRUE(is_close("dgate, dup", actual.dgate_and_dup, expected.dgate_and_dup, rounded_tolerance()));
      EXPECT_EQ(actual.recomputed, actual.forward) << "the same arithmetic";
    }
  }
}

TEST_P(SwiGluCase, GradientsMayReplaceTheirOperands) {
  GuardedRows gate(dtype(), 5, 24, 1);
  GuardedRows up(dtype(), 5, 24, 2);
  GuardedRows dy(dtype(), 5, 24, 3);
  GuardedRows dgate(dtype(), 5, 24, 4);
  GuardedRows dup(dtype(), 5, 24, 5);
  DeviceMirror on(backend());
  const auto swiglu = make_swiglu(backend());
  for (const bool is_in_place : {false, true}) {
    swiglu->backward({.dy = on(dy.view()),
                      .gate = on(gate.view()),
                      .up = on(up.view()),
                      .dgate = is_in_place ? on(gate.view()) : on(dgate.view()),
                      .dup = is_in_place ? on(up.view()) : on(dup.view()),
                      .y = {}});
  }
  on.fetch();
  EXPECT_EQ(gate.values(), dgate.values());
  EXPECT_EQ(up.values(), dup.values());
}

TEST_P(SwiGluCase, ExtremeGatesAreFinite) {
  const Results huge = run(backend(), dtype(), 5, 24, 1e4F);
  const Results expected = run(Backend::reference, dtype(), 5, 24, 1e4F);
  EXPECT_TRUE(is_close("y", huge.forward, expected.forward, rounded_tolerance()));
  EXPECT_TRUE(is_close("dgate, dup", huge.dgate_and_dup, expected.dgate_and_dup, rounded_tolerance()));
}

INSTANTIATE_TEST_SUITE_P(Backends, SwiGluCase, testing::ValuesIn(backend_cases()), backend_case_name);

TEST(SwiGlu, GradientsEqualFiniteDifferences) {
  const std::vector<double> gate = normal_doubles(24, 1);
  const std::vector<double> up = normal_doubles(24, 2);
  const std::vector<double> dy = normal_doubles(24, 3);
  std::vector<double> dgate;
  std::vector<double> dup;
  for (std::size_t i = 0; i < gate.size(); ++i) {
    const auto gradient = reference::swiglu_backward(dy[i], gate[i], up[i]);
    dgate.push_back(gradient.dgate);
    dup.push_back(gradient.dup);
  }
  const auto loss = [&](const std::vector<double>& at_gate, const std::vector<double>& at_up) {
    double sum = 0;
    for (std::size_t i = 0; i < dy.size(); ++i) {
      sum += dy[i] * reference::swiglu(at_gate[i], at_up[i]);
    }
    return sum;
  };
  expect_gradient("dgate", gate, dgate, [&](const auto& at) { return loss(at, up); });
  expect_gradient("dup", up, dup, [&](const auto& at) { return loss(gate, at); });
}

TEST(SwiGlu, RefusesShapesThatContradictEachOther) {
  GuardedRows gate(DType::float32, 5, 24, 1);
  expect_error(ErrorKind::internal,
               [&] {
                 make_swiglu(Backend::reference)
                     ->forward({.gate = gate.view(), .up = gate.view().column_range(0, 23), .y = gate.view()});
               },
               {"up has not the shape"});
}

}  // namespace
}  // namespace ringworld::test
