#include "experiments/check/result_checksum.hpp"

#include "core/digest.hpp"

namespace ringworld {
namespace {

std::span<const std::byte> bytes_of_activations(const ConstActivationView& view) {
  return {static_cast<const std::byte*>(view.data), static_cast<std::size_t>(view.size() * size_of(view.dtype))};
}

Digest digest_of_rank(const PointData& data) {
  Digest digest;
  digest.add(static_cast<std::int64_t>(data.ranks().rank()));
  return digest;
}

/// A sum, so that no order of ranks matters; of halves, so that it cannot overflow.
std::uint32_t sum_over_ranks(const PointData& data, const Digest& digest) {
  constexpr std::uint64_t half = 0xffffffffU;
  return static_cast<std::uint32_t>(
      data.ranks().all_reduce(static_cast<std::int64_t>(digest.value() & half), Reduction::sum));
}

}  // namespace

std::uint32_t forward_checksum(const PointData& data) {
  const HostTensors tensors(data);
  Digest digest = digest_of_rank(data);
  digest.add(bytes_of_activations(tensors.forward().out));
  digest.add(std::as_bytes(tensors.forward().maximum.elements()));
  digest.add(std::as_bytes(tensors.forward().sum.elements()));
  return sum_over_ranks(data, digest);
}

std::uint32_t backward_checksum(const PointData& data) {
  const HostTensors tensors(data);
  Digest digest = digest_of_rank(data);
  for (const TensorView<float, 4>& gradient : {tensors.backward().dq, tensors.backward().dk, tensors.backward().dv}) {
    digest.add(std::as_bytes(gradient.elements()));
  }
  return sum_over_ranks(data, digest);
}

}  // namespace ringworld
