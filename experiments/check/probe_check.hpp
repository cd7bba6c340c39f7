#pragma once
/// @file  The checks of `ringworld check` that run ring attention.

#include <functional>
#include <string>
#include <vector>

#include "comm/communicator.hpp"
#include "sequence/sequence_attention.hpp"

namespace ringworld {

/// How one check ended.
struct CheckOutcome {
  std::string name;
  bool is_right = false;
  std::string detail;
  double seconds = 0;
};

using ReportCheck = std::function<void(const CheckOutcome&)>;

/// What to run attention with.
struct CheckedPlan {
  SequenceAttentionOptions options;
  std::string where;  ///< backend and transport, for the names of its checks
  std::uint64_t seed = 1;
};

/// The probe through the forward pass and the backward pass by either rotation: three checks.
/// Collective over `ranks`. What fails on all ranks together becomes an outcome.
void check_by_probe(const Communicator& ranks, const CheckedPlan& plan, const ReportCheck& report);

/// Random inputs, samples of whose result are held against fp64: one check. Collective over `ranks`.
void check_by_samples(const Communicator& ranks, const CheckedPlan& plan, const ReportCheck& report);

/// Runs `action`, which returns the outcome without its time; a collective error becomes one.
[[nodiscard]] CheckOutcome timed_check(const Communicator& ranks, const std::string& name,
                                       const std::function<CheckOutcome()>& action);

}  // namespace ringworld
