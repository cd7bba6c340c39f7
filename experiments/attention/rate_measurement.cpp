#include "experiments/attention/rate_measurement.hpp"

#include <algorithm>
#include <map>
#include <tuple>
#include <vector>

#include "comm/ring.hpp"
#include "core/clock.hpp"
#include "device/buffer.hpp"
#include "experiments/common/ring_link.hpp"
#include "kernels/attention/cost.hpp"
#include "perf/peak.hpp"
#include "perf/samples.hpp"
#include "sequence/plan_cost.hpp"
#include "sequence/travelling_block.hpp"

namespace ringworld {
namespace {

constexpr int least_repeats = 5;
constexpr int most_repeats = 50;
constexpr double enough_seconds = 0.1;  // of one shape
constexpr std::int64_t triad_bytes = std::int64_t{1} << 26;
constexpr double triad_seconds = 0.05;

/// A shape of block, and its visible pairs.
using Block = std::tuple<bool, bool, std::int64_t, std::int64_t, std::int64_t, std::int64_t>;

AttentionShape shape_of(const Block& block, std::int64_t head_size) {
  const auto& [is_backward, is_causal, query_tokens, key_tokens, heads, pairs] = block;
  return {.is_backward = is_backward,
          .is_causal = is_causal,
          .query_tokens = query_tokens,
          .key_tokens = key_tokens,
          .head_size = head_size,
          .heads = heads};
}

/// The shapes that any rank computes, in one order on every rank; of those with more or fewer pairs the first.
std::vector<std::pair<AttentionShape, double>> shapes_of(const TimedPass& pass) {
  std::map<Block, double> found;
  PlanRates rates;
  rates.block_seconds = [&](const AttentionShape& shape, double pairs) {
    found.try_emplace({shape.is_backward, shape.is_causal, shape.query_tokens, shape.key_tokens, shape.heads, 0},
                      pairs);
    return 0.0;
  };
  static_cast<void>(time_pass(pass, rates));
  std::vector<std::pair<AttentionShape, double>> shapes;
  for (const auto& [block, pairs] : found) {
    shapes.emplace_back(shape_of(block, pass.problem.head_size), pairs);
  }
  return shapes;
}

/// The mask that leaves so many pairs of a block visible, or the next more.
BlockMask mask_of(const AttentionShape& shape, double pairs) {
  if (!shape.is_causal) {
    return {};
  }
  std::int64_t low = -shape.query_tokens;
  std::int64_t high = shape.key_tokens;
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (visible_pairs(
            shape.query_tokens, shape.key_tokens,
            BlockMask{.is_causal = true, .diagonal = middle, .query_document_ids = {}, .key_document_ids = {}}) <
        pairs) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return {.is_causal = true, .diagonal = low, .query_document_ids = {}, .key_document_ids = {}};
}

/// One block of zeros, and a kernel to compute with it.
class BlockBench {
 public:
  BlockBench(const SweepPoint& point, const AttentionShape& shape, double pairs)
      : backend_(point.plan.backend),
        kind_(device_of(backend_)),
        batch_(point.plan.problem.batch),
        heads_(shape.heads / batch_),
        kv_heads_(std::max<std::int64_t>(1, heads_ * point.plan.problem.kv_heads / point.plan.problem.heads)),
        shape_(shape),
        mask_(mask_of(shape, pairs)),
        dtype_(point.plan.problem.dtype),
        queries_{batch_, shape.query_tokens, heads_, shape.head_size},
        keys_{batch_, shape.key_tokens, kv_heads_, shape.head_size},
        rows_{batch_, heads_, shape.query_tokens},
        kernel_(make_block_attention(backend_, {.head_size = shape.head_size, .threads = point.plan.threads})) {
    if (!shape.is_backward) {
      kernel_->reset(state_);
    }
    device(kind_).compute_stream().synchronize();
  }

  void run() {
    if (shape_.is_backward) {
      kernel_->backward({.q = q_,
                         .k = k_,
                         .v = v_,
                         .dout = dout_,
                         .maximum = state_.maximum,
                         .sum = state_.sum,
                         .delta = delta_,
                         .mask = mask_},
                        {.dq = dq_, .dk = dk_, .dv = dv_}, {});
    } else {
      kernel_->accumulate({.q = q_, .k = k_, .v = v_, .mask = mask_}, state_, {});
    }
    device(kind_).compute_stream().synchronize();
  }

 private:
  /// Zeroed memory that this object keeps.
  std::byte* memory(std::int64_t bytes) {
    Buffer& buffer = buffers_.emplace_back(bytes, kind_);
    device(kind_).fill_zero(buffer.data(), bytes, device(kind_).compute_stream());
    return buffer.as<std::byte>();
  }
  ActivationView activations(const std::array<std::int64_t, 4>& shape) {
    return {memory(element_count(shape) * size_of(dtype_)), dtype_, shape};
  }
  template <std::size_t N>
  TensorView<float, N> floats(const std::array<std::int64_t, N>& shape) {
    return {reinterpret_cast<float*>(memory(element_count(shape) * static_cast<std::int64_t>(sizeof(float)))), shape};
  }

  Backend backend_;
  DeviceKind kind_;
  std::int64_t batch_;
  std::int64_t heads_;
  std::int64_t kv_heads_;
  AttentionShape shape_;
  BlockMask mask_;
  DType dtype_;
  std::array<std::int64_t, 4> queries_;
  std::array<std::int64_t, 4> keys_;
  std::array<std::int64_t, 3> rows_;
  std::vector<Buffer> buffers_;
  ActivationView q_ = activations(queries_);
  ActivationView dout_ = activations(queries_);
  ActivationView k_ = activations(keys_);
  ActivationView v_ = activations(keys_);
  AttentionState state_{.maximum = floats(rows_),
                        .sum = floats(rows_),
                        .output = floats<4>({batch_, heads_, shape_.query_tokens, shape_.head_size})};
  TensorView<float, 3> delta_ = floats(rows_);
  TensorView<float, 4> dq_ = floats(queries_);
  TensorView<float, 4> dk_ = floats(keys_);
  TensorView<float, 4> dv_ = floats(keys_);
  std::unique_ptr<BlockAttention> kernel_;
};

/// FLOP/s of the visible pairs of a block. Collective over `ring`.
MeasuredRate measure_block(const Communicator& ring, const SweepPoint& point, const AttentionShape& shape,
                           double pairs) {
  std::optional<BlockBench> bench;
  on_every_rank(ring, [&] { bench.emplace(point, shape, pairs); });
  bench->run();
  std::vector<double> samples;
  double all = 0;
  while (static_cast<int>(samples.size()) < least_repeats ||
         (all < enough_seconds && static_cast<int>(samples.size()) < most_repeats)) {
    ring.barrier();
    const double start = now_seconds();
    bench->run();
    samples.push_back(ring.all_reduce(now_seconds() - start, Reduction::max));
    all += samples.back();
  }
  const SampleSummary seconds = summarize(samples);
  const double flop = (shape.is_backward ? 10.0 : 4.0) * static_cast<double>(shape.head_size * shape.heads) * pairs;
  return {.value = flop / seconds.median, .lowest = flop / seconds.max, .highest = flop / seconds.min};
}

/// The link that a ring of these ranks shows, for hops of so many bytes. Collective over them.
LinkRate measure_link(const Communicator& ranks, std::int64_t bytes, DeviceKind memory) {
  const RingLink link = measure_ring_link(Ring(ranks), std::max<std::int64_t>(bytes, 1), memory);
  // The hop's own time holds a latency, which is added to it again.
  const auto without_latency = [&](double bytes_per_second) {
    const double seconds = static_cast<double>(bytes) / bytes_per_second;
    return static_cast<double>(bytes) / std::max(seconds - link.latency_seconds, seconds / 100);
  };
  return {.bytes_per_second = {.value = without_latency(link.bytes_per_second),
                               .lowest = without_latency(link.lowest),
                               .highest = without_latency(link.highest)},
          .latency = link.latency_seconds};
}

}  // namespace

TimedPass timed_pass_of(const SweepPoint& point) {
  const SequenceAttentionOptions& plan = point.plan;
  return {.schedule = plan.schedule,
          .problem = plan.problem,
          .layout = plan.layout,
          .is_causal = plan.is_causal,
          .pass = plan.pass,
          .rotation = *plan.backward_rotation,
          .ranks = static_cast<int>(point.ranks),
          .nodes = point.nodes};
}

void measure_rates(const Communicator& ring, const SweepPoint& point, RateTable& table) {
  for (const auto& [shape, pairs] : shapes_of(timed_pass_of(point))) {
    const bool is_known = std::ranges::any_of(table.attention, [&, wanted = shape](const auto& entry) {
      const AttentionShape& has = entry.shape;
      return std::tie(has.is_backward, has.is_causal, has.query_tokens, has.key_tokens, has.head_size, has.heads) ==
             std::tie(wanted.is_backward, wanted.is_causal, wanted.query_tokens, wanted.key_tokens, wanted.head_size,
                      wanted.heads);
    });
    if (!is_known) {
      table.attention.push_back({.shape = shape, .flops_per_second = measure_block(ring, point, shape, pairs)});
    }
  }
  const DeviceKind memory = device_of(point.plan.backend);
  if (!has_own_memory(memory) && table.memory_bytes_per_second.value == 0) {
    ring.barrier();
    const double mine = measure_triad(triad_bytes, triad_seconds);
    const double slowest = -ring.all_reduce(-mine, Reduction::max);
    table.memory_bytes_per_second = {.value = slowest, .lowest = slowest, .highest = slowest};
  }
  if (ring.size() == 1) {
    return;
  }
  // Hops of this point's length: those of another are not the same link.
  table.links.clear();
  const std::int64_t bytes = block_bytes(
      point.plan.problem, Cargo::kv,
      Partition(point.plan.layout, point.plan.problem.context_length, point.ranks, point.plan.schedule.ulysses)
          .tokens_per_rank());
  const bool has_network = std::ranges::any_of(point.nodes, [&](int node) { return node != point.nodes.front(); });
  const Communicator node = ring.split_by_node();
  const bool has_neighbours = ring.all_agree(node.size() > 1);
  if (has_neighbours) {
    LinkRate mine = measure_link(node, bytes, memory);
    ring.broadcast(std::as_writable_bytes(std::span(&mine, 1)), 0);
    table.links.push_back({.level = LinkLevel::node, .rate = mine});
  }
  if (has_network || !has_neighbours) {
    table.links.push_back({.level = LinkLevel::network, .rate = measure_link(ring, bytes, memory)});
  }
}

}  // namespace ringworld
