#include "experiments/common/point_data.hpp"

#include <algorithm>
#include <thread>

#include "core/spelling.hpp"
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

/// Threads of the rank. On a GPU backend the CPU is free until the tensors are made.
int drawing_threads(const SequenceAttentionOptions& options) {
  const auto cpus = static_cast<int>(std::thread::hardware_concurrency());
  return device_of(options.backend) == DeviceKind::host ? options.threads : std::clamp(cpus, 1, largest_team());
}

ProbeOperand operand_of(InputTensor tensor) {
  switch (tensor) {
    case InputTensor::q:
      return ProbeOperand::q;
    case InputTensor::k:
      return ProbeOperand::k;
    case InputTensor::v:
      return ProbeOperand::v;
    case InputTensor::dout:
      break;
  }
  return ProbeOperand::dout;
}

}  // namespace

PointData::PointData(const Communicator& ranks, const SequenceAttentionOptions& options, std::uint64_t seed,
                     InputKind inputs)
    : ranks_(ranks), options_(options), seed_(seed), attention_(make_sequence_attention(ranks, options)) {
  const AttentionProblem& problem = options.problem;
  const std::int64_t tokens = attention_->partition().tokens(ranks.rank());
  const std::array q_shape{problem.batch, tokens, problem.heads, problem.head_size};
  const std::array kv_shape{problem.batch, tokens, problem.kv_heads, problem.head_size};
  const std::array row_shape{problem.batch, problem.heads, tokens};

  forward_.q = make_activations(q_shape, problem.dtype, q_, memory());
  forward_.k = make_activations(kv_shape, problem.dtype, k_, memory());
  forward_.v = make_activations(kv_shape, problem.dtype, v_, memory());
  forward_.out = make_activations(q_shape, problem.dtype, out_, memory());
  forward_.maximum = make_floats(row_shape, maximum_, memory());
  forward_.sum = make_floats(row_shape, sum_, memory());
  if (has_backward()) {
    backward_ = {.q = forward_.q,
                 .k = forward_.k,
                 .v = forward_.v,
                 .document_ids = {},
                 .out = forward_.out,
                 .maximum = forward_.maximum,
                 .sum = forward_.sum,
                 .dout = make_activations(q_shape, problem.dtype, dout_, memory()),
                 .delta = make_floats(row_shape, delta_, memory()),
                 .dq = make_floats(q_shape, dq_, memory()),
                 .dk = make_floats(kv_shape, dk_, memory()),
                 .dv = make_floats(kv_shape, dv_, memory())};
  }
  fill(inputs);
}

void PointData::fill(InputKind kind) {
  if (!traits_of(options_.backend).computes) {
    return;
  }
  fill(InputTensor::q, kind, forward_.q, q_);
  fill(InputTensor::k, kind, forward_.k, k_);
  fill(InputTensor::v, kind, forward_.v, v_);
  if (has_backward()) {
    fill(InputTensor::dout, kind, backward_.dout, dout_);
  }
}

void PointData::fill(InputTensor tensor, InputKind kind, const ConstActivationView& values, Buffer& memory) {
  const bool is_on_host = this->memory() == DeviceKind::host;
  Buffer staging;
  ActivationView target{memory.data(), values.dtype, values.shape};
  if (!is_on_host) {
    target = make_activations(values.shape, values.dtype, staging, DeviceKind::host);
  }
  const Partition& partition = attention_->partition();
  const int threads = drawing_threads(options_);
  if (kind == InputKind::random) {
    SequenceInputs(seed_, options_.problem.context_length).fill(tensor, partition, ranks_.rank(), target, threads);
  } else {
    const Probe probe(probe_options());
    probe.fill(operand_of(tensor), partition, ranks_.rank(), target, threads);
  }
  if (!is_on_host) {
    Device& gpu = device(this->memory());
    gpu.copy(memory.data(), staging.data(), bytes_of(target), gpu.compute_stream());
    gpu.compute_stream().synchronize();
  }
}

ProbeOptions PointData::probe_options() const {
  return {.problem = options_.problem, .is_causal = options_.is_causal, .seed = seed_};
}

ProbeVerdict PointData::check_probe_forward() const {
  std::array<Buffer, 3> copies;
  return check_forward(Probe(probe_options()), attention_->partition(), ranks_,
                       {.out = copy_to_host(forward_.out, copies[0], memory()),
                        .maximum = copy_to_host(forward_.maximum, copies[1], memory()),
                        .sum = copy_to_host(forward_.sum, copies[2], memory())},
                       drawing_threads(options_));
}

ProbeVerdict PointData::check_probe_backward() const {
  std::array<Buffer, 3> copies;
  return check_backward(Probe(probe_options()), attention_->partition(), ranks_,
                        {.dq = copy_to_host(backward_.dq, copies[0], memory()),
                         .dk = copy_to_host(backward_.dk, copies[1], memory()),
                         .dv = copy_to_host(backward_.dv, copies[2], memory())},
                        attention_->backward_rotation(), drawing_threads(options_));
}

ProbeVerdict PointData::check_probe() const {
  ProbeVerdict verdict = check_probe_forward();
  if (has_backward()) {
    verdict += check_probe_backward();
  }
  return verdict;
}

HostTensors::HostTensors(const PointData& data) : forward_(data.forward()), backward_(data.backward()) {
  std::size_t used = 0;
  const auto fetch = [&](auto& view) { view = copy_to_host(view, copies_[used++], data.memory()); };
  fetch(forward_.q);
  fetch(forward_.k);
  fetch(forward_.v);
  fetch(forward_.out);
  fetch(forward_.maximum);
  fetch(forward_.sum);
  if (data.has_backward()) {
    fetch(backward_.dout);
    fetch(backward_.delta);
    fetch(backward_.dq);
    fetch(backward_.dk);
    fetch(backward_.dv);
  }
}

}  // namespace ringworld
