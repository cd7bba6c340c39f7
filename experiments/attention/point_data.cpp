#include "experiments/attention/point_data.hpp"

namespace ringworld {
namespace {

ActivationView make_activations(const std::array<std::int64_t, 4>& shape, DType dtype, Buffer& memory) {
  memory = Buffer(element_count(shape) * size_of(dtype));
  return {memory.data(), dtype, shape};
}

template <std::size_t N>
TensorView<float, N> make_floats(const std::array<std::int64_t, N>& shape, Buffer& memory) {
  memory = Buffer(element_count(shape) * static_cast<std::int64_t>(sizeof(float)));
  return {memory.as<float>(), shape};
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
    inputs_.fill(tensor, partition, rank, values);
    return values;
  };
  forward_.q = draw(InputTensor::q, q_shape, q_);
  forward_.k = draw(InputTensor::k, kv_shape, k_);
  forward_.v = draw(InputTensor::v, kv_shape, v_);
  forward_.out = make_activations(q_shape, problem.dtype, out_);
  forward_.lse = make_floats(row_shape, lse_);
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
               .delta = make_floats(row_shape, delta_),
               .dq = make_floats(q_shape, dq_),
               .dk = make_floats(kv_shape, dk_),
               .dv = make_floats(kv_shape, dv_)};
}

}  // namespace ringworld
