#include "vqgan/parameters.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "core/digest.hpp"
#include "core/error.hpp"
#include "core/random.hpp"
#include "device/host_access.hpp"

namespace ringworld {
namespace {

/// Calls `function(place in the file, place in memory)` for every number of a convolution's weights.
template <class Function>
void for_each_weight(const VqganTensor& tensor, Function&& function) {
  const std::int64_t outputs = tensor.shape[0];
  const std::int64_t inputs = tensor.shape[1];
  const std::int64_t taps = tensor.shape[2] * tensor.shape[3];
  for (std::int64_t out = 0; out < outputs; ++out) {
    for (std::int64_t in = 0; in < inputs; ++in) {
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        function(static_cast<std::size_t>((out * inputs + in) * taps + tap),
                 static_cast<std::size_t>((tap * inputs + in) * outputs + out));
      }
    }
  }
}

void draw_normals(const CounterRng& rng, float deviation, std::span<float> values) {
  std::array<float, 4> drawn{};
  for (std::size_t index = 0; index < values.size(); ++index) {
    if (index % drawn.size() == 0) {
      drawn = rng.normals(index / drawn.size());
    }
    values[index] = deviation * drawn[index % drawn.size()];
  }
}

void draw_uniform(const CounterRng& rng, float largest, std::span<float> values) {
  for (std::size_t index = 0; index < values.size(); ++index) {
    values[index] = largest * (2 * CounterRng::to_unit(rng.words(index)[0]) - 1);
  }
}

}  // namespace

VqganParameters::VqganParameters(const VqganArchitecture& architecture, VqganUse use, Backend backend)
    : architecture_(architecture), memory_(device_of(backend)) {
  Device& place = device(memory_);
  const auto allocate = [&](Buffer& buffer, MemoryUse memory_use) {
    buffer = Buffer(architecture.numbers * static_cast<std::int64_t>(sizeof(float)), place, memory_use);
    place.fill_zero(buffer.data(), buffer.bytes(), place.compute_stream());
  };
  allocate(values_, MemoryUse::parameters);
  if (use == VqganUse::training) {
    allocate(gradients_, MemoryUse::gradients);
    allocate(first_moments_, MemoryUse::moments);
    allocate(second_moments_, MemoryUse::moments);
  }
}

void VqganParameters::initialize(std::uint64_t seed) {
  HostAccess access(memory_);
  for (std::size_t index = 0; index < architecture_.tensors.size(); ++index) {
    const VqganTensor& tensor = architecture_.tensors[index];
    const CounterRng rng(seed, digest_of(tensor.name));
    access.write(part(values(), tensor), [&](std::span<float> numbers) {
      switch (tensor.first_values) {
        case FirstValues::normal: {
          const auto inputs = static_cast<double>(tensor.size() / tensor.shape.front());
          draw_normals(rng, static_cast<float>(1 / std::sqrt(inputs)), numbers);
          break;
        }
        case FirstValues::uniform:
          draw_uniform(rng, 1.0F / static_cast<float>(tensor.shape.front()), numbers);
          break;
        case FirstValues::ones:
          std::ranges::fill(numbers, 1.0F);
          break;
        case FirstValues::zeros:
          std::ranges::fill(numbers, 0.0F);
          break;
      }
    });
  }
}

std::string VqganParameters::digest() const {
  HostAccess access(memory_);
  Digest digest;
  digest.add(to_text(architecture_.config));
  for (const VqganTensor& tensor : architecture_.tensors) {
    digest.add(std::as_bytes(access.read(part(values(), tensor))));
  }
  return fmt::format("{:016x}", digest.value());
}

void from_file_order(const VqganTensor& tensor, std::span<const float> file, std::span<float> memory) {
  require(std::ssize(file) == tensor.size() && file.size() == memory.size(), "a tensor is copied whole");
  if (!tensor.is_convolution()) {
    std::ranges::copy(file, memory.begin());
    return;
  }
  for_each_weight(tensor, [&](std::size_t in_file, std::size_t in_memory) { memory[in_memory] = file[in_file]; });
}

void to_file_order(const VqganTensor& tensor, std::span<const float> memory, std::span<float> file) {
  require(std::ssize(file) == tensor.size() && file.size() == memory.size(), "a tensor is copied whole");
  if (!tensor.is_convolution()) {
    std::ranges::copy(memory, file.begin());
    return;
  }
  for_each_weight(tensor, [&](std::size_t in_file, std::size_t in_memory) { file[in_file] = memory[in_memory]; });
}

}  // namespace ringworld
