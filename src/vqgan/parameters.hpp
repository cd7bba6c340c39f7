#pragma once
/// @file  The parameters of a VQGAN in memory, with their gradients and moments while it is trained. Every rank holds all
/// of them. In memory a convolution's weights are (k, k, in, out), as kernels read them; files have (out, in, k, k).

#include <cstdint>
#include <span>
#include <string>

#include "device/backend.hpp"
#include "device/buffer.hpp"
#include "vqgan/architecture.hpp"
#include "vqgan/memory.hpp"

namespace ringworld {

class VqganParameters {
 public:
  /// All numbers are 0. `architecture` must outlive this.
  VqganParameters(const VqganArchitecture& architecture, VqganUse use, Backend backend);

  [[nodiscard]] const VqganArchitecture& architecture() const { return architecture_; }
  [[nodiscard]] DeviceKind memory() const { return memory_; }

  // (architecture.numbers), where the backend computes; all but the values are empty unless the use is training.
  [[nodiscard]] std::span<float> values() const { return span_of(values_); }
  [[nodiscard]] std::span<float> gradients() const { return span_of(gradients_); }
  [[nodiscard]] std::span<float> first_moments() const { return span_of(first_moments_); }
  [[nodiscard]] std::span<float> second_moments() const { return span_of(second_moments_); }

  /// The part of one of the spans above that belongs to a tensor.
  [[nodiscard]] static std::span<float> part(std::span<float> all, const VqganTensor& tensor) {
    return all.subspan(static_cast<std::size_t>(tensor.offset), static_cast<std::size_t>(tensor.size()));
  }

  /// Weights normal with variance 1 / (inputs of an output), biases 0, scales 1, codebook uniform in -1/K .. 1/K: Flax's
  /// first values, but for the tails, which Flax cuts. A pure function of the seed.
  void initialize(std::uint64_t seed);

  /// Text that tells one network from another: architecture and values.
  [[nodiscard]] std::string digest() const;

 private:
  [[nodiscard]] static std::span<float> span_of(const Buffer& buffer) {
    return {buffer.as<float>(), static_cast<std::size_t>(buffer.bytes()) / sizeof(float)};
  }

  const VqganArchitecture& architecture_;
  DeviceKind memory_;
  Buffer values_;
  Buffer gradients_;
  Buffer first_moments_;
  Buffer second_moments_;
};

/// Copies a tensor from a file's order to memory's.
void from_file_order(const VqganTensor& tensor, std::span<const float> file, std::span<float> memory);
/// The reverse.
void to_file_order(const VqganTensor& tensor, std::span<const float> memory, std::span<float> file);

}  // namespace ringworld
