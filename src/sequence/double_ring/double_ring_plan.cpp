/// @file  The plan of the double ring: rings of W neighbours, such as the ranks of a node, and a slow ring between them.
/// Source: Gu et al., "LoongTrain: Efficient Training of Long-Sequence LLMs with Head-Context Parallelism",
/// arXiv:2406.18485, section 4.4. Deviations: P - 1 hops instead of P; sums stay in fp32 between windows.
///
///   node 0:  0 -> 1 -> 2 -> 3 -> (0)      window j: W steps round the node with the blocks of node n-j. When it begins,
///            |    |    |    |             every rank also sends the block that it has then to the same place of the
///   node 1:  4 -> 5 -> 6 -> 7 -> (4)      next node, which needs it when window j+1 begins.
///
/// Sums follow their block one step behind round the node. In window 0 they end at home. In later windows they end one
/// hop after the last of the W ranks, at the block's own place, are added to what came from the node before, and go to
/// the next node during the window that follows; after N - 1 such hops they are home.
///
///   slots of operands  2 that hold the block with which a window begins, in turn; 2 of the inner ring
///   slots of sums      2 computed in turn, 1 arriving in the inner ring; 2 that collect over the nodes, in turn

#include "sequence/plan.hpp"

namespace ringworld {
namespace {

constexpr int window_slots = 0;    // the first of the operands that begin a window
constexpr int inner_slots = 2;     // the first of the operands of the inner ring
constexpr int inner_arrivals = 2;  // of inner sums; before it those computed
constexpr int collected = 3;       // the first of the sums that go from node to node

class DoubleRing {
 public:
  explicit DoubleRing(const PlanRequest& request)
      : request_(request),
        window_(request.schedule.window),
        nodes_(request.ranks / window_),
        node_(request.rank / window_),
        place_(request.rank % window_) {
    plan_.operands = request.operands;
    plan_.sums = request.sums;
    plan_.slots = {.operands = 4, .sums = request.has_sums ? 5 : 0};
    plan_.steps = request.has_sums ? request.ranks + 2 : request.ranks;
    plan_.packings.push_back({.before = 0, .piece = {.origin = request.rank}, .slot = window_slots});
    for (const bool of_sums : {false, true}) {
      if (!of_sums || request.has_sums) {
        plan_.lanes.push_back({.of_sums = of_sums, .name = LaneName::up});
        plan_.lanes.push_back({.of_sums = of_sums, .name = LaneName::outer});
      }
    }
  }

  Plan make() && {
    for (int window = 0; window < nodes_; ++window) {
      for (int turn = 0; turn < window_; ++turn) {
        move_operands(window, turn);
        compute(window, turn);
        if (request_.has_sums && window + turn > 0) {
          move_sums(window, turn);
        }
      }
    }
    return std::move(plan_);
  }

 private:
  [[nodiscard]] int wrapped_node(int node) const { return (node % nodes_ + nodes_) % nodes_; }
  [[nodiscard]] int wrapped_place(int place) const { return (place % window_ + window_) % window_; }
  [[nodiscard]] int rank_at(int node, int place) const { return wrapped_node(node) * window_ + wrapped_place(place); }
  /// The block at a place of this node, or of one before it, at a turn of a window.
  [[nodiscard]] Piece block_at(int node, int place, int window, int turn) const {
    return {.origin = rank_at(node - window, place - turn)};
  }
  [[nodiscard]] int step_of(int window, int turn) const { return window * window_ + turn; }
  [[nodiscard]] static int operand_slot(int window, int turn) {
    return turn == 0 ? window_slots + window % 2 : inner_slots + (turn - 1) % 2;
  }

  void send(LaneName lane, Cargo cargo, const Piece& sent, int to, int from_slot, const Piece& received, int from,
            int to_slot, int posted_before, int needed_before) {
    plan_.transfers.push_back({.motion = Motion::send_receive,
                               .lane = lane,
                               .cargo = cargo,
                               .sent = sent,
                               .to = to,
                               .from_slot = from_slot,
                               .received = received,
                               .from = from,
                               .to_slot = to_slot,
                               .posted_before = posted_before,
                               .needed_before = needed_before});
  }

  void move_operands(int window, int turn) {
    const int step = step_of(window, turn);
    if (turn == 0 && window + 1 < nodes_) {
      send(LaneName::outer, request_.operands, block_at(node_, place_, window, 0), rank_at(node_ + 1, place_),
           operand_slot(window, 0), block_at(node_, place_, window + 1, 0), rank_at(node_ - 1, place_),
           operand_slot(window + 1, 0), step, step + window_);
    }
    if (turn + 1 < window_) {
      send(LaneName::up, request_.operands, block_at(node_, place_, window, turn), rank_at(node_, place_ + 1),
           operand_slot(window, turn), block_at(node_, place_, window, turn + 1), rank_at(node_, place_ - 1),
           operand_slot(window, turn + 1), step, step + 1);
    }
  }

  void compute(int window, int turn) {
    const bool is_own = window + turn == 0;
    const int step = step_of(window, turn);
    plan_.tasks.push_back(request_.task(step, block_at(node_, place_, window, turn),
                                        is_own ? none : operand_slot(window, turn),
                                        is_own || !request_.has_sums ? none : step % 2));
  }

  /// The sums of what was computed at this turn go on in the node.
  void move_sums(int window, int turn) {
    const int step = step_of(window, turn);
    const Piece received = block_at(node_, place_ - 1, window, turn);
    send(LaneName::up, request_.sums, block_at(node_, place_, window, turn), rank_at(node_, place_ + 1), step % 2,
         received, rank_at(node_, place_ - 1), inner_arrivals, step + 1, step + 2);
    const bool is_last_turn = turn + 1 == window_;
    if (!is_last_turn) {
      add(received, inner_arrivals, (step + 1) % 2, step + 2);
    } else if (window == 0) {
      add(received, inner_arrivals, none, step + 2);
    } else {
      move_between_nodes(received, window, step + 2);
    }
  }

  /// What a node added up in a window joins what the nodes before it did, and goes on to the next.
  void move_between_nodes(const Piece& block, int window, int boundary) {
    const int here = collected + window % 2;
    const int coming = collected + (window + 1) % 2;
    plan_.folds.push_back({.kind = window == 1 ? FoldKind::replace : FoldKind::add,
                           .before = boundary,
                           .piece = block,
                           .arrived_slot = inner_arrivals,
                           .into_slot = here});
    const bool is_last = window + 1 == nodes_;
    const Piece next = block_at(node_, place_, window + 1, 0);
    const int needed = is_last ? boundary + 1 : boundary + window_;
    send(LaneName::outer, request_.sums, block, rank_at(node_ + 1, place_), here, next, rank_at(node_ - 1, place_),
         coming, boundary, needed);
    if (is_last) {
      add(next, coming, none, needed);
    }
  }

  void add(const Piece& piece, int arrived_slot, int into_slot, int before) {
    plan_.folds.push_back({.kind = FoldKind::add,
                           .before = before,
                           .piece = piece,
                           .arrived_slot = arrived_slot,
                           .into_slot = into_slot});
  }

  const PlanRequest& request_;
  int window_;
  int nodes_;
  int node_;
  int place_;
  Plan plan_;
};

}  // namespace

Plan make_double_ring_plan(const PlanRequest& request) {
  const int window = request.schedule.window;
  if (window <= 1 || window == request.ranks) {
    return make_ring_plan(request);  // one of the two rings has one rank
  }
  return DoubleRing(request).make();
}

}  // namespace ringworld
