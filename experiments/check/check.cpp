/// @file  `ringworld check`: the self-test for a new machine.

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "comm/device_choice.hpp"
#include "comm/stop_agreement.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/log.hpp"
#include "experiments/check/link_check.hpp"
#include "experiments/check/probe_check.hpp"
#include "experiments/common/figures_of_merit.hpp"
#include "experiments/common/job.hpp"
#include "experiments/common/ring_link.hpp"
#include "io/console_table.hpp"
#include "kernels/attention/attention.hpp"
#include "sequence/schedule_check.hpp"

namespace ringworld {
namespace {

constexpr const char* description =
    "Proves that ring attention is exact on this machine, with the ranks that the job has: inputs whose answer is "
    "known go\n"
    "through every backend of the build, transport, layout, type and pass, and every row of every rank is looked at; "
    "then\n"
    "random inputs are held against fp64, and the bytes of every hop against what was sent. One line a check. Exit "
    "code 0\n"
    "when all are right, 1 when not. The first thing to run on a new machine, with as many ranks as jobs will have.";

constexpr std::int64_t head_size = 64;

/// Backends that are not tuned are given shorter contexts, so that all take about as long.
std::int64_t shortening_of(Backend backend) {
  if (traits_of(backend).is_tuned) {
    return 1;
  }
  return has_own_memory(device_of(backend)) ? 2 : 4;
}

struct CheckOptions {
  std::int64_t context_length = 1021;
  std::int64_t link_bytes = std::int64_t{4} << 20;
  std::int64_t seed = 1;
  bool is_quick = false;
};

/// A backend that can run here, and one way for its blocks to travel.
struct Place {
  Backend backend;
  Communicator ranks;
  std::string name;
};

/// Prints outcomes and counts them, on the root.
class Report {
 public:
  explicit Report(const Communicator& world)
      : is_root_(world.is_root()), start_(now_seconds()), last_line_(wall_seconds()) {}

  /// So many plans are still to be checked, each by one check or several.
  void expect(std::size_t plans) { plans_ += plans; }

  /// A plan has been checked. Says now and then how far it is, on stderr, as the lines of the checks may go to a file.
  void advance() {
    constexpr double seconds_between_lines = 10;
    ++done_;
    if (is_root_ && wall_seconds() - last_line_ >= seconds_between_lines) {
      last_line_ = wall_seconds();
      log_info(fmt::format("{} of {} plans checked", done_, plans_));
    }
  }

  void add(const CheckOutcome& outcome) {
    ++checks_;
    failed_ += outcome.is_right ? 0 : 1;
    if (is_root_) {
      fmt::print("{:<4}  {:<78}  {:>6.2f} s  {}\n", outcome.is_right ? "ok" : "FAIL", outcome.name, outcome.seconds,
                 outcome.detail);
      std::fflush(stdout);
    }
  }

  void skip(std::string_view name, std::string_view reason) const {
    if (is_root_) {
      fmt::print("{:<4}  {:<78}  {:>6}    {}\n", "skip", name, "", reason);
    }
  }

  /// The result when the checks end early.
  [[nodiscard]] std::string progress() const {
    return fmt::format("{} of {} checks right so far, and what is left is not checked", checks_ - failed_, checks_);
  }

  /// Prints the summary; the program's exit code.
  [[nodiscard]] int finish(int ranks) const {
    if (is_root_) {
      fmt::print("{}: {} of {} checks right with {} rank{}, {:.1f} s\n", failed_ == 0 ? "ok" : "FAIL",
                 checks_ - failed_, checks_, ranks, ranks == 1 ? "" : "s", now_seconds() - start_);
      const FigureOfMerit figure{.name = "checks_right",
                                 .value = static_cast<double>(checks_ - failed_),
                                 .unit = "check",
                                 .keys = {{"checks", fmt::format("{}", checks_)}, {"ranks", fmt::format("{}", ranks)}},
                                 .is_valid = failed_ == 0};
      print_figures(std::span(&figure, 1));
    }
    return failed_ == 0 ? 0 : 1;
  }

 private:
  bool is_root_;
  double start_;
  double last_line_;  // s, of the wall clock
  std::size_t plans_ = 0;
  std::size_t done_ = 0;
  std::int64_t checks_ = 0;
  std::int64_t failed_ = 0;
};

/// Whether the build has the backend and every rank what it runs on; else reports why not.
bool can_run(const Communicator& world, Backend backend, const Report& report) {
  try {
    take_device(world, device_of(backend));
    on_every_rank(world, [&] { static_cast<void>(make_block_attention(backend, {.head_size = head_size})); });
    return true;
  } catch (const Error& error) {
    if (!error.is_collective()) {
      throw;
    }
    report.skip(name_of(backend), error.what());
    return false;
  }
}

std::vector<Place> places_of(const Communicator& world, const Report& report) {
  std::vector<Place> places;
  for (const Backend backend : all_backends) {
    if (!traits_of(backend).computes || !can_run(world, backend, report)) {
      continue;
    }
    if (!is_gpu(device_of(backend))) {
      const std::string_view transport = transport_name(world, device_of(backend));
      places.push_back({.backend = backend, .ranks = world, .name = fmt::format("{} {}", name_of(backend), transport)});
      continue;
    }
    for (const Transport transport : decided_transports) {
      const std::string name = fmt::format("{} {}", name_of(backend), name_of(transport));
      try {
        const Communicator ranks = world.with_transport(transport);
        static_cast<void>(ranks.transport());
        places.push_back({.backend = backend, .ranks = ranks, .name = name});
      } catch (const Error& error) {
        if (error.kind() != ErrorKind::bad_input) {
          throw;
        }
        report.skip(name, error.what());
      }
    }
  }
  return places;
}

/// Once a transport: host backends share theirs.
void check_links(const std::vector<Place>& places, const CheckOptions& values, Report& report) {
  std::vector<std::string> done;
  for (const Place& place : places) {
    const DeviceKind memory = device_of(place.backend);
    const std::string name = memory == DeviceKind::host
                                 ? "link mpi"
                                 : fmt::format("link {} {}", name_of(memory), transport_name(place.ranks, memory));
    if (std::ranges::find(done, name) != done.end()) {
      continue;
    }
    done.push_back(name);
    if (place.ranks.size() == 1) {
      report.skip(name, "one rank has no neighbour: start more with mpirun -n");
      continue;
    }
    report.add(timed_check(place.ranks, name, [&] {
      const Ring ring(place.ranks);
      const LinkVerdict verdict = check_link(ring, values.link_bytes, memory, static_cast<std::uint64_t>(values.seed));
      const RingLink link = measure_ring_link(ring, values.link_bytes, memory);
      std::string detail =
          fmt::format("{} of {} bytes wrong, {}B/s a rank, {}s a hop of one byte", verdict.wrong_bytes, verdict.bytes,
                      with_si_prefix(link.bytes_per_second), with_si_prefix(link.latency_seconds));
      if (verdict.wrong_bytes > 0) {
        detail += fmt::format("; first at rank {}, from rank {}, hop {}", verdict.first_receiver,
                              (verdict.first_receiver + ring.size() - 1) % ring.size(), verdict.first_hop);
      }
      return CheckOutcome{.name = {}, .is_right = verdict.wrong_bytes == 0, .detail = detail};
    }));
  }
}

/// One point of the probe's product.
struct Variant {
  DType dtype;
  DType wire_dtype;
  std::int64_t heads;
  std::int64_t kv_heads;
  bool is_causal;
};

std::vector<Variant> variants_of(const CheckOptions& values) {
  constexpr DType wide = DType::float32;
  constexpr DType narrow = DType::bfloat16;
  if (values.is_quick) {
    // Any even number of ranks can exchange four heads, and a multiple of three can exchange six.
    return {{wide, wide, 6, 3, true}, {narrow, narrow, 6, 3, true}, {narrow, narrow, 4, 4, true}};
  }
  return {{wide, wide, 4, 4, true},     {wide, wide, 6, 3, true},   {narrow, narrow, 4, 4, true},
          {narrow, narrow, 6, 3, true}, {wide, narrow, 4, 4, true}, {wide, narrow, 6, 3, true},
          {wide, wide, 4, 4, false}};
}

bool fits(const Schedule& schedule, const SequenceAttentionOptions& options, int ranks) {
  try {
    check_schedule(schedule, options.problem, options.layout, options.is_causal, ranks);
    return true;
  } catch (const Error&) {
    return false;
  }
}

/// Every schedule, and each of its parameters at the smallest value that these ranks and heads allow beside the usual
/// one.
std::vector<Schedule> schedules_of(const SequenceAttentionOptions& options, int ranks) {
  std::vector<Schedule> schedules;
  const auto add = [&](const Schedule& schedule) {
    if (fits(schedule, options, ranks)) {
      schedules.push_back(schedule);
    }
  };
  const auto add_smallest = [&](ScheduleKind kind, int Schedule::* parameter, std::int64_t limit) {
    Schedule schedule = kind;
    for (schedule.*parameter = 2; schedule.*parameter <= limit; ++(schedule.*parameter)) {
      if (fits(schedule, options, ranks)) {
        schedules.push_back(schedule);
        return;
      }
    }
  };
  for (std::size_t index = 0; index < schedule_names.size(); ++index) {
    const auto kind = static_cast<ScheduleKind>(index);
    if (kind == ScheduleKind::double_ring && ranks > 1) {
      add_smallest(kind, &Schedule::window, ranks);  // whatever nodes there are
    } else {
      add(kind);
    }
  }
  Schedule trimmed;
  trimmed.is_trimmed = true;
  add(trimmed);
  add_smallest(ScheduleKind::ring, &Schedule::ulysses, ranks);
  add_smallest(ScheduleKind::all_gather, &Schedule::head_groups, options.problem.kv_heads);
  return schedules;
}

/// Layouts, masks and heads decide what is computed with a block, whatever brought it: the plain ring shows them all. An
/// exchange of heads is shown by all heads that allow it.
bool is_shown(const SequenceAttentionOptions& options, bool is_quick) {
  const bool is_zigzag = options.layout == Layout::zigzag;
  if (options.schedule == Schedule()) {
    return is_zigzag || !is_quick;
  }
  const bool has_groups = options.problem.kv_heads < options.problem.heads;
  return is_zigzag && options.is_causal && (has_groups || options.schedule.ulysses > 1);
}

/// The plans of a place: those that the probe looks through, then those that are held against fp64.
struct CheckedPlans {
  std::vector<CheckedPlan> by_probe;
  std::vector<CheckedPlan> by_samples;
};

CheckedPlans plans_of(const Place& place, const CheckOptions& values) {
  CheckedPlans plans;
  CheckedPlan plan;
  plan.where = place.name;
  plan.seed = static_cast<std::uint64_t>(values.seed);
  plan.options.backend = place.backend;
  AttentionProblem& problem = plan.options.problem;
  problem.context_length = std::max<std::int64_t>(1, values.context_length / shortening_of(place.backend));
  problem.head_size = head_size;
  for (const Variant& variant : variants_of(values)) {
    problem.dtype = variant.dtype;
    problem.wire_dtype = variant.wire_dtype;
    problem.heads = variant.heads;
    problem.kv_heads = variant.kv_heads;
    plan.options.is_causal = variant.is_causal;
    for (std::size_t layout = 0; layout < layout_names.size(); ++layout) {
      plan.options.layout = static_cast<Layout>(layout);
      for (const Schedule& schedule : schedules_of(plan.options, place.ranks.size())) {
        plan.options.schedule = schedule;
        if (is_shown(plan.options, values.is_quick)) {
          plans.by_probe.push_back(plan);
        }
      }
    }
  }
  plan.options.schedule = ScheduleKind::ring;
  plan.options.layout = Layout::zigzag;
  plan.options.is_causal = true;
  for (const DType dtype : {DType::float32, DType::bfloat16}) {
    problem.dtype = dtype;
    problem.wire_dtype = dtype;
    plans.by_samples.push_back(plan);
  }
  return plans;
}

using CheckOfPlan = void (*)(const Communicator& ranks, const CheckedPlan& plan, const ReportCheck& report);

/// @return whether it was done to its end, and not stopped by a signal
bool check_plans(const Communicator& world, const Place& place, const std::vector<CheckedPlan>& plans,
                 CheckOfPlan check, Report& report) {
  for (const CheckedPlan& plan : plans) {
    if (is_stop_wanted(world)) {
      return false;
    }
    check(place.ranks, plan, [&](const CheckOutcome& outcome) { report.add(outcome); });
    report.advance();
  }
  return true;
}

}  // namespace

int run_check(const Job& job) {
  CheckOptions values;
  Options options("check", description);
  options.add("context-length", values.context_length, "token",
              "tokens of the sequence, over all ranks; half or a quarter for backends that are not tuned");
  options.add("link-bytes", values.link_bytes, "B", "longest block that the link check sends");
  options.add("seed", values.seed, "", "seed of the inputs: of the probe's groups, values and gradients");
  options.add("quick", values.is_quick, "", "layout zigzag, two numbers of heads and two types only");
  if (!parse_options(job, options)) {
    return 0;
  }
  on_every_rank(job.world, [&] {
    require_input(values.context_length >= 1,
                  fmt::format("--context-length: {} must be at least 1", values.context_length));
    require_input(values.link_bytes >= 1, fmt::format("--link-bytes: {} must be at least 1", values.link_bytes));
  });
  Report report(job.world);
  const std::vector<Place> places = places_of(job.world, report);
  check_links(places, values, report);
  std::vector<CheckedPlans> plans;
  for (const Place& place : places) {
    plans.push_back(plans_of(place, values));
    report.expect(plans.back().by_probe.size() + plans.back().by_samples.size());
  }
  for (std::size_t index = 0; index < places.size(); ++index) {
    if (!check_plans(job.world, places[index], plans[index].by_probe, check_by_probe, report) ||
        !check_plans(job.world, places[index], plans[index].by_samples, check_by_samples, report)) {
      return stopped_early(job, report.progress());
    }
  }
  return report.finish(job.world.size());
}

}  // namespace ringworld
