#include "experiments/check/probe_check.hpp"

#include <fmt/format.h>

#include <optional>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "experiments/check/result_checksum.hpp"
#include "experiments/common/names.hpp"
#include "experiments/common/point_data.hpp"
#include "experiments/common/sampled_check.hpp"

namespace ringworld {
namespace {

std::string name_of_types(const AttentionProblem& problem) {
  const std::string_view memory = name_of(problem.dtype);
  return problem.dtype == problem.wire_dtype ? std::string(memory)
                                             : fmt::format("{} wire {}", memory, name_of(problem.wire_dtype));
}

std::string name_of_check(std::string_view kind, const CheckedPlan& plan, std::string_view pass) {
  const AttentionProblem& problem = plan.options.problem;
  return fmt::format("{} {} {} {} {} {}/{} heads{} {}", kind, plan.where, describe(plan.options.schedule),
                     name_of(plan.options.layout), name_of_types(problem), problem.heads, problem.kv_heads,
                     plan.options.is_causal ? "" : " not causal", pass);
}

/// @param checksum  of the results whose rows were looked at
CheckOutcome outcome_of(const ProbeVerdict& verdict, std::uint32_t checksum) {
  const std::string rows =
      fmt::format("{} of {} rows exact, checksum {:08x}", verdict.rows - verdict.wrong_rows, verdict.rows, checksum);
  return {.name = {},
          .is_right = verdict.is_right(),
          .detail = verdict.first.has_value() ? fmt::format("{}; {}", rows, describe(*verdict.first)) : rows};
}

}  // namespace

CheckOutcome timed_check(const Communicator& ranks, const std::string& name,
                         const std::function<CheckOutcome()>& action) {
  const double start = now_seconds();
  CheckOutcome outcome;
  try {
    outcome = action();
  } catch (const Error& error) {
    // Only what all ranks met together may become an outcome; anything else would leave ranks waiting for each other.
    if (!error.is_collective() && ranks.size() > 1) {
      throw;
    }
    outcome = {.name = {}, .is_right = false, .detail = error.what()};
  }
  outcome.name = name;
  outcome.seconds = now_seconds() - start;
  return outcome;
}

void check_by_probe(const Communicator& ranks, const CheckedPlan& plan, const ReportCheck& report) {
  for (const BackwardRotation rotation : {BackwardRotation::kv, BackwardRotation::q}) {
    if (rotation == BackwardRotation::q && plan.options.schedule.is_trimmed) {
      continue;  // a trimmed ring moves keys
    }
    SequenceAttentionOptions options = plan.options;
    options.backward_rotation = rotation;
    std::optional<PointData> data;
    const CheckOutcome forward = timed_check(ranks, name_of_check("probe", plan, "forward"), [&] {
      on_every_rank(ranks, [&] { data.emplace(ranks, options, plan.seed, InputKind::probe); });
      data->attention().forward(data->forward());
      return outcome_of(data->check_probe_forward(), forward_checksum(*data));
    });
    if (rotation == BackwardRotation::kv || !forward.is_right) {
      report(forward);
    }
    if (!data.has_value()) {
      return;
    }
    report(timed_check(ranks, name_of_check("probe", plan, fmt::format("backward {}", name_of(rotation))), [&] {
      data->attention().backward(data->backward());
      return outcome_of(data->check_probe_backward(), backward_checksum(*data));
    }));
  }
}

void check_by_samples(const Communicator& ranks, const CheckedPlan& plan, const ReportCheck& report) {
  report(timed_check(ranks, name_of_check("fp64", plan, "forward and backward"), [&] {
    std::optional<PointData> data;
    on_every_rank(ranks, [&] { data.emplace(ranks, plan.options, plan.seed); });
    data->attention().forward(data->forward());
    data->attention().backward(data->backward());
    const SampledError error = check_samples(*data, plan.seed);
    const SampledTolerance tolerance = sampled_tolerance(plan.options.problem);
    return CheckOutcome{.name = {},
                        .is_right = is_within(error, tolerance),
                        .detail = fmt::format("error {:.1e} of at most {:.0e}, of lse {:.1e} of {:.0e}", error.largest,
                                              tolerance.largest, error.lse, tolerance.lse)};
  }));
}

}  // namespace ringworld
