/// @file  Block attention, causal FLOPs counted.
///
///   bench_attention --benchmark_filter='forward/host/.*'
/// Environment variables that choose among the kernels of a backend stand in kernels/attention/README.md.

#include "kernels/attention/attention.hpp"

#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <string_view>

#include "kernels/attention/attention_problem.hpp"
#include "kernels/attention/cost.hpp"
#include "kernels/bench/common/random_values.hpp"
#include "kernels/bench/common/suite.hpp"

namespace ringworld::bench {
namespace {

struct Point {
  Backend backend;
  AttentionPass pass;
  DType dtype;
  std::int64_t tokens;
  std::int64_t heads;
  std::int64_t head_size;
  std::int64_t threads;
  std::int64_t ring_steps = 1;   ///< blocks that the keys arrive in, as on a ring
  bool is_kernel_alone = false;  ///< of a forward pass: neither its start nor its end is timed
};

std::string_view name_of(AttentionPass pass) {
  switch (pass) {
    case AttentionPass::forward:
      return "forward";
    case AttentionPass::backward:
      return "backward";
    case AttentionPass::forward_backward:
      return "forward_backward";
  }
  return {};
}

/// The least that the pass over the whole sequence costs, however it is cut into blocks.
Cost cost_of_pass(const Point& point) {
  const SequenceExtents extents{.context_length = point.tokens,
                                .heads = point.heads,
                                .kv_heads = point.heads,
                                .head_size = point.head_size,
                                .dtype = point.dtype};
  const Cost forward = point.pass == AttentionPass::backward ? Cost{} : cost_of_forward(extents, true);
  const Cost backward = point.pass == AttentionPass::forward ? Cost{} : cost_of_backward(extents, true);
  return forward + backward;
}

/// One whole causal sequence as a single block, with everything that a pass reads and writes.
class Sequence {
 public:
  explicit Sequence(const Point& point)
      : shape_{1, point.tokens, point.heads, point.head_size},
        rows_{1, point.heads, point.tokens},
        dtype_(point.dtype),
        kind_(device_of(point.backend)),
        block_(point.tokens / point.ring_steps),
        q_(make(dtype_, shape_, 1)),
        k_(make(dtype_, shape_, 2)),
        v_(make(dtype_, shape_, 3)),
        dout_(make(dtype_, shape_, 4)),
        out_(make(dtype_, shape_, 5)),
        maximum_(make(DType::float32, rows_, 6)),
        sum_(make(DType::float32, rows_, 7)),
        delta_(make(DType::float32, rows_, 9)),
        output_(make(DType::float32, shape_, 10)),
        dq_(make(DType::float32, shape_, 11)),
        dk_(make(DType::float32, shape_, 12)),
        dv_(make(DType::float32, shape_, 13)),
        kernel_(make_block_attention(
            point.backend, {.head_size = point.head_size,
                            .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(point.head_size))),
                            .threads = static_cast<int>(point.threads)})) {}

  void reset() { kernel_->reset(state()); }

  void accumulate() {
    const AttentionState running = state();
    for (std::int64_t key = 0; key < shape_[1]; key += block_) {
      const bool is_last = key + block_ >= shape_[1];
      kernel_->accumulate({.q = view(q_),
                           .k = view(k_).token_range(key, block_),
                           .v = view(v_).token_range(key, block_),
                           .mask = mask_of(key)},
                          running, is_last ? view(out_) : ActivationView(), {});
    }
  }

  void forward() {
    reset();
    accumulate();
  }

  void backward() {
    for (std::int64_t key = 0; key < shape_[1]; key += block_) {
      kernel_->backward(
          {.q = view(q_),
           .k = view(k_).token_range(key, block_),
           .v = view(v_).token_range(key, block_),
           .dout = view(dout_),
           .maximum = numbers(maximum_),
           .sum = numbers(sum_),
           .delta = numbers(delta_),
           .mask = mask_of(key)},
          {.dq = floats(dq_), .dk = floats(dk_).slice(1, key, block_), .dv = floats(dv_).slice(1, key, block_)}, {});
    }
  }

  void output_dot_gradient() { kernel_->output_dot_gradient(view(out_), view(dout_), numbers(delta_)); }

 private:
  template <std::size_t N>
  [[nodiscard]] Buffer make(DType dtype, const std::array<std::int64_t, N>& shape, std::uint64_t stream) const {
    return make_normals(dtype, element_count(shape), stream, kind_);
  }

  /// Mask of the block that starts at key `key`.
  static BlockMask mask_of(std::int64_t key) {
    return {.is_causal = true, .diagonal = -key, .query_document_ids = {}, .key_document_ids = {}};
  }

  [[nodiscard]] AttentionState state() const {
    return {numbers(maximum_), numbers(sum_),
            TensorView<float, 4>(output_.as<float>(), {1, shape_[2], shape_[1], shape_[3]})};
  }
  [[nodiscard]] ActivationView view(const Buffer& buffer) const { return {buffer.data(), dtype_, shape_}; }
  [[nodiscard]] TensorView<float, 4> floats(const Buffer& buffer) const { return {buffer.as<float>(), shape_}; }
  [[nodiscard]] TensorView<float, 3> numbers(const Buffer& buffer) const { return {buffer.as<float>(), rows_}; }

  std::array<std::int64_t, 4> shape_;  ///< (B, T, H, D)
  std::array<std::int64_t, 3> rows_;   ///< (B, H, T)
  DType dtype_;
  DeviceKind kind_;
  std::int64_t block_;  ///< keys of a ring step
  Buffer q_, k_, v_, dout_, out_;
  Buffer maximum_, sum_, delta_, output_;
  Buffer dq_, dk_, dv_;
  std::unique_ptr<BlockAttention> kernel_;
};

Operation set_up(const Point& point) {
  const auto sequence = std::make_shared<Sequence>(point);
  if (point.is_kernel_alone) {
    return {.run = [sequence] { sequence->accumulate(); },
            .cost = cost_of_pass(point),
            .prepare = [sequence] { sequence->reset(); }};
  }
  sequence->forward();
  sequence->output_dot_gradient();
  const auto run = [sequence, pass = point.pass] {
    if (pass != AttentionPass::backward) {
      sequence->forward();
    }
    if (pass == AttentionPass::forward_backward) {
      sequence->output_dot_gradient();
    }
    if (pass != AttentionPass::forward) {
      sequence->backward();
    }
  };
  return {.run = run, .cost = cost_of_pass(point), .prepare = {}};
}

void add(Suite& suite, const Point& point) {
  const std::string steps = point.ring_steps == 1 ? "" : fmt::format("/ring_steps:{}", point.ring_steps);
  const std::string_view pass = point.is_kernel_alone ? "accumulate" : name_of(point.pass);
  suite.add(
      {.name = fmt::format("{}/{}/{}/S:{}/D:{}/H:{}/threads:{}{}", pass, name_of(point.backend), name_of(point.dtype),
                           point.tokens, point.head_size, point.heads, point.threads, steps),
       .family = "attention",
       .backend = point.backend,
       .dtype = point.dtype,
       .threads = point.threads},
      [point] { return set_up(point); });
}

/// What GPUs are compared by: 32 heads, and the fp32 path on less. Other libraries' forward kernels have no state:
/// beside them stand the whole pass and its kernel alone.
void add_device_cases(Suite& suite, Backend backend) {
  for (const std::int64_t head_size : {64, 128}) {
    for (const std::int64_t tokens : {4096, 16384}) {
      add(suite, {backend, AttentionPass::forward, DType::bfloat16, tokens, 32, head_size, 1, 1, true});
    }
    add(suite, {backend, AttentionPass::forward, DType::bfloat16, 16384, 32, head_size, 1, 8, true});
  }
  for (const AttentionPass pass : {AttentionPass::forward, AttentionPass::backward, AttentionPass::forward_backward}) {
    for (const std::int64_t head_size : {64, 128}) {
      for (const std::int64_t tokens : {4096, 16384}) {
        add(suite, {backend, pass, DType::bfloat16, tokens, 32, head_size, 1});
      }
      add(suite, {backend, pass, DType::bfloat16, 16384, 32, head_size, 1, 8});
      add(suite, {backend, pass, DType::float32, 4096, 8, head_size, 1});
    }
  }
}

}  // namespace

void register_cases(Suite& suite) {
  for (const Backend backend : tuned_backends()) {
    if (is_on_device(backend)) {
      add_device_cases(suite, backend);
    }
  }
  for (const Backend backend : {Backend::host, Backend::kokkos, Backend::reference}) {
    for (const AttentionPass pass :
         {AttentionPass::forward, AttentionPass::backward, AttentionPass::forward_backward}) {
      for (const DType dtype : {DType::float32, DType::bfloat16}) {
        for (const std::int64_t head_size : {64, 128}) {
          for (const std::int64_t tokens : {1024, 2048, 8192, 16384}) {
            if (backend != Backend::host) {
              if (tokens == 1024) {  // they take seconds a pass beyond that
                add(suite, {backend, pass, dtype, tokens, 1, head_size, 1});
              }
              continue;
            }
            for (const std::int64_t threads : thread_counts()) {
              add(suite, {backend, pass, dtype, tokens, threads, head_size, threads});  // a head a thread
              if (threads > 1) {
                add(suite, {backend, pass, dtype, tokens, 1, head_size, threads});  // threads that share a head
              }
            }
            if (tokens == 8192) {
              add(suite, {backend, pass, dtype, tokens, 1, head_size, 1, 8});
            }
          }
        }
      }
    }
  }
}

}  // namespace ringworld::bench
