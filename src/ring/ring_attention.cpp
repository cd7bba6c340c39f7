#include "ring/ring_attention.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/activity.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "device/device_activity.hpp"
#include "ring/travelling_block.hpp"

namespace ringworld {
namespace {

BlockAttentionOptions kernel_options(const RingAttentionOptions& options) {
  const AttentionProblem& problem = options.problem;
  require_input(problem.kv_heads > 0 && problem.heads % problem.kv_heads == 0,
                fmt::format("{} heads are not divisible by {} kv heads", problem.heads, problem.kv_heads));
  return {.head_size = problem.head_size,
          .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(problem.head_size))),
          .threads = options.threads};
}

/// The mask of a block pair, cut out of the tensors of two ranks.
BlockMask make_mask(const BlockPair& pair, bool is_causal, const TensorView<const std::int32_t, 2>& query_segments,
                    const TensorView<const std::int32_t, 2>& key_segments) {
  BlockMask mask{.is_causal = is_causal, .diagonal = pair.diagonal, .query_segments = {}, .key_segments = {}};
  if (!query_segments.is_null()) {
    mask.query_segments = query_segments.slice(1, pair.queries.token_local, pair.queries.count);
    mask.key_segments = key_segments.slice(1, pair.keys.token_local, pair.keys.count);
  }
  return mask;
}

/// Where the forward pass of this rank's queries writes results.
LastBlocks last_blocks_of(const Ring& ring, const Partition& partition, bool is_causal) {
  std::vector<std::vector<BlockPair>> steps;
  for (int step = 0; step < ring.size(); ++step) {
    steps.push_back(visible_block_pairs(partition, ring.rank(), ring.origin_after(step), is_causal));
  }
  return find_last_blocks(steps, partition.tokens(ring.rank()));
}

template <class View>
View part_of(const View& view, const LocalRange& range) {
  return view.token_range(range.token_local, range.count);
}

TensorView<float, 4> part_of(const TensorView<float, 4>& view, const LocalRange& range) {
  return view.slice(1, range.token_local, range.count);
}

TensorView<const float, 3> part_of(const TensorView<const float, 3>& view, const LocalRange& range) {
  return view.slice(2, range.token_local, range.count);
}

/// Packs this rank's keys and values for their way round the ring.
template <class Pass>
void pack_keys(TensorOps& tensors, const Pass& pass, const KeyValueBlock& block) {
  tensors.copy_activations(pass.k, block.k);
  tensors.copy_activations(pass.v, block.v);
  if (!block.segments.is_null()) {
    tensors.copy_strided<std::int32_t>(pass.segments, block.segments);
  }
}

std::span<const float> as_floats(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const float*>(bytes.data()), bytes.size() / sizeof(float)};
}

std::span<float> as_floats(std::span<std::byte> bytes) {
  return {reinterpret_cast<float*>(bytes.data()), bytes.size() / sizeof(float)};
}

std::span<float> as_floats(const TensorView<float, 4>& view) {
  return {view.data, static_cast<std::size_t>(view.size())};
}

void require_dense(const TensorView<float, 4>& view) {
  require(view.strides == row_major_strides(view.shape), "ring attention: dq, dk and dv must be dense");
}

ShiftOptions shift_options(const RingAttentionOptions& options) {
  return {
      .memory = device_of(options.backend), .message_limit = options.message_limit, .chunk_bytes = options.chunk_bytes};
}

std::int64_t output_bytes(const AttentionProblem& problem, std::int64_t tokens) {
  return problem.batch * tokens * problem.heads * problem.head_size * static_cast<std::int64_t>(sizeof(float));
}

std::int64_t backward_operand_bytes(const AttentionProblem& problem, BackwardRotation rotation, std::int64_t tokens) {
  return rotation == BackwardRotation::kv ? view_key_value_block(problem, tokens, nullptr).bytes
                                          : view_query_block(problem, tokens, nullptr).bytes;
}

std::int64_t arena_bytes(const RingAttentionOptions& options, BackwardRotation rotation, int ranks,
                         std::int64_t tokens) {
  const AttentionProblem& problem = options.problem;
  const bool is_ring = ranks > 1;
  std::int64_t forward = output_bytes(problem, tokens);
  if (is_ring) {
    forward += 2 * view_key_value_block(problem, tokens, nullptr).bytes;
  }
  std::int64_t backward = 0;
  if (is_ring && options.pass != AttentionPass::forward) {
    backward = 2 * backward_operand_bytes(problem, rotation, tokens) +
               3 * view_gradient_block(problem, rotation, tokens, nullptr).bytes;
  }
  return std::max(forward, backward);
}

}  // namespace

RingAttention::RingAttention(const Ring& ring, const RingAttentionOptions& options)
    : ring_(ring),
      options_(options),
      partition_(options.layout, options.problem.context_length, ring.size()),
      last_blocks_(last_blocks_of(ring, partition_, options.is_causal)),
      rotation_(options.backward_rotation.value_or(cheaper_rotation(options.problem))),
      tokens_(partition_.tokens(ring.rank())),
      tokens_max_(partition_.tokens_per_rank()),
      device_(device(device_of(options.backend))),
      operand_shift_(ring, shift_options(options)),
      gradient_shift_(ring, shift_options(options)),
      deadline_(std::numeric_limits<double>::infinity()) {
  const KernelFactory make_kernel = options.make_kernel ? options.make_kernel : KernelFactory(make_block_attention);
  kernel_ = make_kernel(options.backend, kernel_options(options));
  tensors_ = make_tensor_ops(options.backend, {.threads = options.threads});
  for (auto& event : step_ends_) {
    event = device_.make_event();
  }
  arena_ = Buffer(arena_bytes(options, rotation_, ring.size(), tokens_max_), device_.kind());
  is_polling_ = options.is_polling && operand_shift_.needs_driving();
  progress_ = [this] {
    note_progress();
    drive_communication();
    has_missed_deadline_ = has_missed_deadline_ || now_seconds() > deadline_;
    return !has_missed_deadline_;
  };
}

RingTraffic RingAttention::traffic() const { return {operand_shift_.traffic(), gradient_shift_.traffic()}; }

void RingAttention::reset_traffic() {
  operand_shift_.reset_traffic();
  gradient_shift_.reset_traffic();
  has_missed_deadline_ = false;
}

void RingAttention::drive_communication() {
  if (is_polling_) {
    operand_shift_.test();
    gradient_shift_.test();
  }
}

void RingAttention::for_each_visible_pair(int query_rank, int key_rank,
                                          const std::function<bool(const BlockPair&)>& function) {
  keep_pace([&] {
    for (const BlockPair& pair : visible_block_pairs(partition_, query_rank, key_rank, options_.is_causal)) {
      if (has_missed_deadline_ || !function(pair)) {
        return;
      }
    }
  });
}

void RingAttention::keep_pace(const std::function<void()>& enqueue_step) {
  if (!std::isfinite(deadline_)) {
    enqueue_step();
    return;
  }
  // While the host waits, the GPU still has the last step to do. A kernel that hangs holds this up until the deadline
  // only: the pass then ends without a result, and the watchdog ends whoever waits for the device.
  wait_for_device([this] {
    drive_communication();
    has_missed_deadline_ = has_missed_deadline_ || now_seconds() > deadline_;
    return has_missed_deadline_ || step_ends_[0]->has_happened();
  });
  if (has_missed_deadline_) {
    return;
  }
  enqueue_step();
  step_ends_[0]->record(device_.compute_stream());
  std::swap(step_ends_[0], step_ends_[1]);
}

AttentionState RingAttention::state_of(const RingForward& pass) const {
  const AttentionProblem& problem = options_.problem;
  const std::array shape{problem.batch, problem.heads, tokens_, problem.head_size};
  return {.maximum = pass.maximum, .sum = pass.sum, .output = {arena_.as<float>(), shape}};
}

OperandBuffers RingAttention::operand_buffers(std::int64_t block_bytes, std::byte* memory) const {
  if (ring_.size() == 1) {
    return {};
  }
  const auto size = static_cast<std::size_t>(block_bytes);
  return {.current = {memory, size}, .incoming = {memory + size, size}};
}

void RingAttention::forward(const RingForward& pass, const RotationOptions& rotation) {
  const Phase phase("forward");
  reset_traffic();
  const AttentionProblem& problem = options_.problem;
  const OperandBuffers buffers = operand_buffers(view_key_value_block(problem, tokens_max_, nullptr).bytes,
                                                 arena_.as<std::byte>() + output_bytes(problem, tokens_max_));
  const AttentionState state = state_of(pass);
  kernel_->reset(state);
  if (ring_.size() > 1) {
    pack_keys(*tensors_, pass, view_key_value_block(problem, tokens_, buffers.current.data()));
  }

  const auto attend = [&](int origin, const ConstActivationView& k, const ConstActivationView& v,
                          const TensorView<const std::int32_t, 2>& key_segments) {
    const int step = (ring_.rank() - origin + ring_.size()) % ring_.size();
    auto is_last = last_blocks_.is_last[static_cast<std::size_t>(step)].begin();
    for_each_visible_pair(ring_.rank(), origin, [&](const BlockPair& pair) {
      return kernel_->accumulate({.q = part_of(pass.q, pair.queries),
                                  .k = part_of(k, pair.keys),
                                  .v = part_of(v, pair.keys),
                                  .mask = make_mask(pair, options_.is_causal, pass.segments, key_segments)},
                                 part_of(state, pair.queries),
                                 *is_last++ ? part_of(pass.out, pair.queries) : ActivationView(), progress_);
    });
  };
  const RotationSteps steps{
      .operand_bytes =
          [&](int origin) { return view_key_value_block(problem, partition_.tokens(origin), nullptr).bytes; },
      .gradient_bytes = {},
      .compute =
          [&](int origin, std::span<std::byte> operands, std::span<std::byte> /*sums*/) {
            if (origin == ring_.rank()) {
              attend(origin, pass.k, pass.v, pass.segments);
              return;
            }
            const KeyValueBlock block = view_key_value_block(problem, partition_.tokens(origin), operands.data());
            attend(origin, block.k, block.v, block.segments);
          },
      .add = {}};
  rotate(device_, ring_, operand_shift_, buffers, gradient_shift_, nullptr, steps, rotation);
  if (rotation.mode == RotationMode::transfer_only) {
    kernel_->finalize(state, pass.out);  // no block was there to write
    return;
  }
  for (const TokenRange& queries : last_blocks_.left_over) {
    kernel_->finalize(state.token_range(queries.begin, queries.count),
                      pass.out.token_range(queries.begin, queries.count));
  }
}

void RingAttention::backward(const RingBackward& pass, const RotationOptions& rotation) {
  const Phase phase("backward");
  require(options_.pass != AttentionPass::forward, "ring attention was planned for the forward pass only");
  require_dense(pass.dq);
  require_dense(pass.dk);
  require_dense(pass.dv);
  reset_traffic();
  kernel_->output_dot_gradient(pass.out, pass.dout, pass.delta);
  tensors_->fill_zero(as_floats(pass.dq));
  if (rotation_ == BackwardRotation::kv) {
    backward_rotating_keys(pass, rotation);
  } else {
    backward_rotating_queries(pass, rotation);
  }
}

namespace {

/// Three gradient blocks behind the two operand blocks of an arena.
GradientBuffers gradient_buffers(std::byte* arena, std::int64_t operand_bytes, std::int64_t gradient_bytes) {
  std::byte* begin = arena + 2 * operand_bytes;
  const auto size = static_cast<std::size_t>(gradient_bytes);
  return {.work = {begin, size}, .outgoing = {begin + size, size}, .incoming = {begin + 2 * size, size}};
}

/// dk and dv of one block of keys, which hold nothing at first: they are cleared only where the first pair of runs does not
/// write all of them.
class KeyGradients {
 public:
  KeyGradients(TensorOps& tensors, const TensorView<float, 4>& dk, const TensorView<float, 4>& dv)
      : tensors_(tensors), dk_(dk), dv_(dv) {}

  /// @return whether this pair overwrites what its keys hold
  bool begin_pair(const BlockPair& pair) {
    const bool is_first = !has_begun_;
    const bool has_all_keys = pair.keys.count == dk_.shape[1];
    if (is_first && !has_all_keys) {
      clear();
    }
    has_begun_ = true;
    return is_first && has_all_keys;
  }

  /// After the last pair, if there was one.
  void end() {
    if (!has_begun_) {
      clear();
    }
  }

 private:
  void clear() {
    tensors_.fill_zero(as_floats(dk_));
    tensors_.fill_zero(as_floats(dv_));
  }

  TensorOps& tensors_;
  TensorView<float, 4> dk_;
  TensorView<float, 4> dv_;
  bool has_begun_ = false;
};

}  // namespace

void RingAttention::backward_rotating_keys(const RingBackward& pass, const RotationOptions& rotation) {
  const AttentionProblem& problem = options_.problem;
  const std::int64_t operand_bytes = view_key_value_block(problem, tokens_max_, nullptr).bytes;
  const OperandBuffers operands = operand_buffers(operand_bytes, arena_.as<std::byte>());
  const GradientBuffers gradients = gradient_buffers(
      arena_.as<std::byte>(), operand_bytes, view_gradient_block(problem, rotation_, tokens_max_, nullptr).bytes);
  if (ring_.size() > 1) {
    pack_keys(*tensors_, pass, view_key_value_block(problem, tokens_, operands.current.data()));
  }

  // dk and dv hold nothing before.
  const auto attend = [&](int origin, const ConstActivationView& k, const ConstActivationView& v,
                          const TensorView<const std::int32_t, 2>& key_segments, const TensorView<float, 4>& dk,
                          const TensorView<float, 4>& dv) {
    KeyGradients keys(*tensors_, dk, dv);
    for_each_visible_pair(ring_.rank(), origin, [&](const BlockPair& pair) {
      const bool overwrites_keys = keys.begin_pair(pair);
      return kernel_->backward({.q = part_of(pass.q, pair.queries),
                                .k = part_of(k, pair.keys),
                                .v = part_of(v, pair.keys),
                                .dout = part_of(pass.dout, pair.queries),
                                .maximum = part_of(pass.maximum, pair.queries),
                                .sum = part_of(pass.sum, pair.queries),
                                .delta = part_of(TensorView<const float, 3>(pass.delta), pair.queries),
                                .mask = make_mask(pair, options_.is_causal, pass.segments, key_segments)},
                               {.dq = part_of(pass.dq, pair.queries),
                                .dk = part_of(dk, pair.keys),
                                .dv = part_of(dv, pair.keys),
                                .overwrites_keys = overwrites_keys},
                               progress_);
    });
    keys.end();
  };
  const RotationSteps steps{
      .operand_bytes =
          [&](int origin) { return view_key_value_block(problem, partition_.tokens(origin), nullptr).bytes; },
      .gradient_bytes =
          [&](int origin) { return view_gradient_block(problem, rotation_, partition_.tokens(origin), nullptr).bytes; },
      .compute =
          [&](int origin, std::span<std::byte> held, std::span<std::byte> sums) {
            if (origin == ring_.rank()) {
              attend(origin, pass.k, pass.v, pass.segments, pass.dk, pass.dv);
              return;
            }
            const std::int64_t tokens = partition_.tokens(origin);
            const KeyValueBlock block = view_key_value_block(problem, tokens, held.data());
            const GradientBlock share = view_gradient_block(problem, rotation_, tokens, sums.data());
            attend(origin, block.k, block.v, block.segments, share.first, share.second);
          },
      .add =
          [&](int origin, std::span<const std::byte> from_previous, std::span<std::byte> sums) {
            if (origin != ring_.rank()) {
              tensors_->add(as_floats(from_previous), as_floats(sums));
              return;
            }
            const std::span<const float> all = as_floats(from_previous);
            tensors_->add(all.first(all.size() / 2), as_floats(pass.dk));
            tensors_->add(all.last(all.size() / 2), as_floats(pass.dv));
          }};
  rotate(device_, ring_, operand_shift_, operands, gradient_shift_, &gradients, steps, rotation);
}

void RingAttention::backward_rotating_queries(const RingBackward& pass, const RotationOptions& rotation) {
  const AttentionProblem& problem = options_.problem;
  const std::int64_t operand_bytes = view_query_block(problem, tokens_max_, nullptr).bytes;
  const OperandBuffers operands = operand_buffers(operand_bytes, arena_.as<std::byte>());
  const GradientBuffers gradients = gradient_buffers(
      arena_.as<std::byte>(), operand_bytes, view_gradient_block(problem, rotation_, tokens_max_, nullptr).bytes);
  if (ring_.size() > 1) {
    const QueryBlock own = view_query_block(problem, tokens_, operands.current.data());
    tensors_->copy_strided<float>(pass.maximum, own.maximum);
    tensors_->copy_strided<float>(pass.sum, own.sum);
    tensors_->copy_strided<float>(pass.delta, own.delta);
    tensors_->copy_activations(pass.q, own.q);
    tensors_->copy_activations(pass.dout, own.dout);
    if (problem.has_segments) {
      tensors_->copy_strided<std::int32_t>(pass.segments, own.segments);
    }
  }

  KeyGradients keys(*tensors_, pass.dk, pass.dv);
  struct Queries {
    ConstActivationView q;
    ConstActivationView dout;
    TensorView<const float, 3> maximum;
    TensorView<const float, 3> sum;
    TensorView<const float, 3> delta;
    TensorView<const std::int32_t, 2> segments;
  };
  const auto attend = [&](int origin, const Queries& queries, const TensorView<float, 4>& dq) {
    for_each_visible_pair(origin, ring_.rank(), [&](const BlockPair& pair) {
      const bool overwrites_keys = keys.begin_pair(pair);
      return kernel_->backward({.q = part_of(queries.q, pair.queries),
                                .k = part_of(pass.k, pair.keys),
                                .v = part_of(pass.v, pair.keys),
                                .dout = part_of(queries.dout, pair.queries),
                                .maximum = part_of(queries.maximum, pair.queries),
                                .sum = part_of(queries.sum, pair.queries),
                                .delta = part_of(queries.delta, pair.queries),
                                .mask = make_mask(pair, options_.is_causal, queries.segments, pass.segments)},
                               {.dq = part_of(dq, pair.queries),
                                .dk = part_of(pass.dk, pair.keys),
                                .dv = part_of(pass.dv, pair.keys),
                                .overwrites_keys = overwrites_keys},
                               progress_);
    });
  };
  const RotationSteps steps{
      .operand_bytes = [&](int origin) { return view_query_block(problem, partition_.tokens(origin), nullptr).bytes; },
      .gradient_bytes =
          [&](int origin) { return view_gradient_block(problem, rotation_, partition_.tokens(origin), nullptr).bytes; },
      .compute =
          [&](int origin, std::span<std::byte> held, std::span<std::byte> sums) {
            if (origin == ring_.rank()) {
              attend(origin, {pass.q, pass.dout, pass.maximum, pass.sum, pass.delta, pass.segments}, pass.dq);
              return;
            }
            const std::int64_t tokens = partition_.tokens(origin);
            const QueryBlock block = view_query_block(problem, tokens, held.data());
            const GradientBlock share = view_gradient_block(problem, rotation_, tokens, sums.data());
            tensors_->fill_zero(as_floats(share.first));
            attend(origin, {block.q, block.dout, block.maximum, block.sum, block.delta, block.segments}, share.first);
          },
      .add =
          [&](int origin, std::span<const std::byte> from_previous, std::span<std::byte> sums) {
            tensors_->add(as_floats(from_previous), origin == ring_.rank() ? as_floats(pass.dq) : as_floats(sums));
          }};
  rotate(device_, ring_, operand_shift_, operands, gradient_shift_, &gradients, steps, rotation);
  keys.end();
}

}  // namespace ringworld
