#include "experiments/attention/point_data.hpp"

#include <algorithm>
#include <thread>

#include "core/thread_team.hpp"
#include "experiments/common/device_tensors.hpp"

namespace ringworld {
namespace {

ActivationView make_activations(const std::array<std::int64_t, 4>& shape, DType dtype, Buffer& memory,
                                DeviceKind kind = DeviceKind::host) {
  memory = Buffer(element_count(shape) * size_of(dtype), kind);
  return {memory.data(), dtype, shape};
}

template <std::size_t N>
TensorView<float, N> make_floats(const std::array<std::int64_t, N>& shape, Buffer& memory, DeviceKind kind) {
  memory = Buffer(element_count(shape) * static_cast<std::int64_t>(sizeof(float)), kind);
  return {memory.as<float>(), shape};
}

/// Of the rank: a GPU's rank has the CPU to itself until the tensors are there.
int drawing_threads(const RingAttentionOptions& options) {
  const auto cpus = static_cast<int>(std::thread::hardware_concurrency());
  return device_of(options.backend) == DeviceKind::host ? options.threads : std::clamp(cpus, 1, largest_team());
}

}  // namespace

PointData::PointData(const Ring& ring, const RingAttentionOptions& options, std::uint64_t seed)
    : ring_(ring), options_(options), inputs_(seed, options.problem.context_length), attention_(ring, options) {
  const AttentionProblem& problem = options.problem;
  const Partition& partition = attention_.partition();
  const int rank = ring.rank();
  const std::int64_t tokens = partition.tokens(rank);
  const std::array q_shape{problem.batch, tokens, problem.heads, problem.head_size};
  const std::array kv_shape{problem.batch, tokens, problem.kv_heads, problem.head_size};
  const std::array row_shape{problem.batch, problem.heads, tokens};

  const auto draw = [&](InputTensor tensor, const std::array<std::int64_t, 4>& shape, Buffer& memory) {
    const ActivationView values = make_activations(shape, problem.dtype, memory);
    inputs_.fill(tensor, partition, rank, values, drawing_threads(options));
    return move_to_device(values, memory, this->memory());
  };
  forward_.q = draw(InputTensor::q, q_shape, q_);
  forward_.k = draw(InputTensor::k, kv_shape, k_);
  forward_.v = draw(InputTensor::v, kv_shape, v_);
  forward_.out = make_activations(q_shape, problem.dtype, out_, memory());
  forward_.lse = make_floats(row_shape, lse_, memory());
  if (!has_backward()) {
    return;
  }
  backward_ = {.q = forward_.q,
               .k = forward_.k,
               .v = forward_.v,
               .segments = {},
               .out = forward_.out,
               .lse = forward_.lse,
               .dout = draw(InputTensor::dout, q_shape, dout_),
               .delta = make_floats(row_shape, delta_, memory()),
               .dq = make_floats(q_shape, dq_, memory()),
               .dk = make_floats(kv_shape, dk_, memory()),
               .dv = make_floats(kv_shape, dv_, memory())};
}

HostTensors::HostTensors(const PointData& data) : forward_(data.forward()), backward_(data.backward()) {
  std::size_t used = 0;
  const auto fetch = [&](auto& view) { view = copy_to_host(view, copies_[used++], data.memory()); };
  fetch(forward_.q);
  fetch(forward_.k);
  fetch(forward_.v);
  fetch(forward_.out);
  fetch(forward_.lse);
  if (data.has_backward()) {
    fetch(backward_.dout);
    fetch(backward_.delta);
    fetch(backward_.dq);
    fetch(backward_.dk);
    fetch(backward_.dv);
  }
}

}  // namespace ringworld
