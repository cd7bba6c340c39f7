#include "experiments/attention/plan_drawing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "experiments/common/names.hpp"
#include "sequence/exchange_block.hpp"
#include "sequence/plan.hpp"
#include "sequence/plan_cost.hpp"

namespace ringworld {
namespace {

constexpr int most_ranks = 8;
constexpr int most_steps = 16;
constexpr std::size_t most_blocks = 4;  // of a cell; more are counted

std::string_view letter_of(Cargo cargo) {
  switch (cargo) {
    case Cargo::kv:
      return "k";
    case Cargo::q:
    case Cargo::query:
      return "q";
    case Cargo::kv_gradient:
      return "dk";
    case Cargo::q_gradient:
      return "dq";
    case Cargo::state:
      return "state ";
    case Cargo::partial:
      return "partial ";
    case Cargo::common_maximum:
      return "max ";
    case Cargo::numerator:
      return "sum ";
  }
  return "";
}

/// "3", "3 upper", "3.1" for the second group of its heads.
std::string name_of_piece(const Piece& piece) {
  std::string text = fmt::format("{}", piece.origin);
  if (piece.head_groups > 1) {
    text += fmt::format(".{}", piece.head_group);
  }
  switch (piece.cut) {
    case Cut::whole:
      break;
    case Cut::lower:
      text += " lower";
      break;
    case Cut::upper:
      text += " upper";
      break;
    case Cut::early:
      text += " early";
      break;
    case Cut::late:
      text += " late";
      break;
  }
  return text;
}

/// What a transfer brings to this rank; empty: nothing.
std::string arrival_of(const Transfer& transfer, int rank) {
  const std::string_view cargo = letter_of(transfer.cargo);
  const bool is_owner = transfer.sent.origin == rank;
  switch (transfer.motion) {
    case Motion::send_receive:
      return transfer.from == none ? "" : fmt::format("<{}{}", cargo, name_of_piece(transfer.received));
    case Motion::all_gather:
      return transfer.sent.head_groups > 1 ? fmt::format("<{}all .{}", cargo, transfer.sent.head_group)
                                           : fmt::format("<{}all", cargo);
    case Motion::reduce_scatter:
      return fmt::format("<{}{}", cargo, name_of_piece(transfer.sent));
    case Motion::broadcast:
      return is_owner ? "" : fmt::format("<{}{}", cargo, name_of_piece(transfer.sent));
    case Motion::reduce:
      return is_owner ? fmt::format("<{}{}", cargo, name_of_piece(transfer.sent)) : "";
    case Motion::reduce_maximum:
      return fmt::format("<{}{}", cargo, name_of_piece(transfer.sent));
  }
  return "";
}

/// The two lines of a cell.
struct Cell {
  std::vector<std::string> blocks;
  std::vector<std::string> arrivals;

  [[nodiscard]] static std::string joined(const std::vector<std::string>& words, std::string_view what) {
    return words.size() > most_blocks ? fmt::format("{} {}", words.size(), what)
                                      : fmt::format("{}", fmt::join(words, " "));
  }
  [[nodiscard]] std::string computed() const { return joined(blocks, "blocks"); }
  [[nodiscard]] std::string received() const { return joined(arrivals, "arrive"); }
};

std::vector<Cell> cells_of(const Plan& plan, int rank) {
  std::vector<Cell> cells(static_cast<std::size_t>(plan.steps));
  for (const BlockTask& task : plan.tasks) {
    cells[static_cast<std::size_t>(task.step)].blocks.push_back(name_of_piece(plan.piece_of(task)));
  }
  for (const Transfer& transfer : plan.transfers) {
    const std::string arrival = arrival_of(transfer, rank);
    if (!arrival.empty()) {
      // What is posted when all steps are done is drawn in the last.
      const int step = std::min(transfer.posted_before, plan.steps - 1);
      cells[static_cast<std::size_t>(step)].arrivals.push_back(arrival);
    }
  }
  return cells;
}

std::string draw_table(const std::vector<Plan>& plans) {
  const auto steps = static_cast<std::size_t>(std::min(plans.front().steps, most_steps));
  std::vector<std::vector<Cell>> rows;
  std::vector<std::size_t> widths(steps, 7);
  for (std::size_t rank = 0; rank < std::min<std::size_t>(plans.size(), most_ranks); ++rank) {
    rows.push_back(cells_of(plans[rank], static_cast<int>(rank)));
    for (std::size_t step = 0; step < steps; ++step) {
      const Cell& cell = rows.back()[step];
      widths[step] = std::max({widths[step], cell.computed().size(), cell.received().size()});
    }
  }
  std::string text = "         ";
  for (std::size_t step = 0; step < steps; ++step) {
    text += fmt::format("  {:<{}}", fmt::format("step {}", step), widths[step]);
  }
  text += steps < static_cast<std::size_t>(plans.front().steps)
              ? fmt::format("  and {} more\n", static_cast<std::size_t>(plans.front().steps) - steps)
              : "\n";
  for (std::size_t rank = 0; rank < rows.size(); ++rank) {
    std::string first = fmt::format("rank {:<4}", rank);
    std::string second(first.size(), ' ');
    for (std::size_t step = 0; step < steps; ++step) {
      first += fmt::format("  {:<{}}", rows[rank][step].computed(), widths[step]);
      second += fmt::format("  {:<{}}", rows[rank][step].received(), widths[step]);
    }
    text += first + "\n" + second + "\n";
  }
  if (rows.size() < plans.size()) {
    text += fmt::format("and {} ranks more\n", plans.size() - rows.size());
  }
  // Cells are padded on the right, lines are not.
  std::string trimmed;
  for (const char c : text) {
    if (c == '\n') {
      trimmed.erase(trimmed.find_last_not_of(' ') + 1);
    }
    trimmed += c;
  }
  return trimmed;
}

std::string_view what_travels(const Plan& plan) { return plan.do_keys_travel() ? "keys and values" : "queries"; }

std::string draw_pass(const SweepPoint& point, AttentionPass pass, const Partition& partition) {
  const SequenceAttentionOptions& options = point.plan;
  const Schedule inside = schedule_of_rings(options.schedule);
  const auto ranks = static_cast<int>(point.ranks / options.schedule.ulysses);
  std::vector<Plan> plans;
  for (int rank = 0; rank < ranks; ++rank) {
    plans.push_back(make_plan(inside, pass, *options.backward_rotation, ranks, rank));
  }
  const Plan& plan = plans.front();
  const SequenceTraffic traffic =
      planned_traffic(options.schedule, options.problem, partition, pass, *options.backward_rotation, point.nodes);
  const auto of_rank = [&](std::int64_t of_all) {
    return static_cast<double>(of_all) / static_cast<double>(point.ranks);
  };
  return fmt::format(
      "\n{}: {} travel, {} steps\n{}\n"
      "a rank sends               {:.1f} B in {:.1f} messages (mean over ranks)\n"
      "all ranks send             {} B in {} messages, {} B of it between nodes\n"
      "slots of a rank            {} of operands, {} of sums\n",
      name_of(pass), what_travels(plan), plan.steps, draw_table(plans), of_rank(traffic.bytes()),
      of_rank(traffic.messages()), traffic.bytes(), traffic.messages(), traffic.bytes_between_nodes(),
      plan.slots.operands, plan.slots.sums);
}

}  // namespace

std::string draw_plan(const SweepPoint& point) {
  const SequenceAttentionOptions& options = point.plan;
  const AttentionProblem& problem = options.problem;
  const std::int64_t ulysses = options.schedule.ulysses;
  const Partition partition(options.layout, problem.context_length, point.ranks, ulysses);
  std::string text =
      fmt::format("{}: S={} P={} {}, {} query and {} kv heads of {}, {} on the wire\n", describe(options.schedule),
                  problem.context_length, point.ranks, name_of(options.layout), problem.heads, problem.kv_heads,
                  problem.head_size, name_of(problem.wire_dtype));
  if (ulysses > 1) {
    text += fmt::format(
        "heads are exchanged among {} neighbours before and after; each of {} rings of {} ranks, on its share of the "
        "heads:\n",
        ulysses, ulysses, point.ranks / ulysses);
  }
  for (const AttentionPass pass : {AttentionPass::forward, AttentionPass::backward}) {
    if (options.pass == pass || options.pass == AttentionPass::forward_backward) {
      text += draw_pass(point, pass, partition);
    }
  }
  text += fmt::format("\narena of a rank            {} B\nlayout efficiency bound    {:.3f}\n",
                      attention_arena_bytes(options.schedule, problem, options.pass, *options.backward_rotation,
                                            point.ranks, partition.tokens_per_rank()),
                      layout_efficiency_bound(options.schedule, partition, options.is_causal));
  return text;
}

}  // namespace ringworld
