#include "vqgan/memory.hpp"

#include <algorithm>
#include <optional>

#include "core/error.hpp"
#include "vqgan/arena.hpp"

namespace ringworld {
namespace {

constexpr std::int64_t block_alignment = 16;  // numbers in 64 bytes
constexpr std::int64_t bytes_of_float = 4;

/// Collects blocks, and writes their offsets to where they are wanted.
class Places {
 public:
  explicit Places(std::size_t count) : block_of_(count) {}

  /// The block of an item is needed at this time too; the first time makes it.
  void use(std::size_t item, std::int64_t size, std::int64_t time) {
    if (!block_of_[item].has_value()) {
      block_of_[item] = blocks_.size();
      blocks_.push_back({.size = size, .begin = time, .end = time});
    }
    ArenaBlock& block = blocks_[*block_of_[item]];
    block.begin = std::min(block.begin, time);
    block.end = std::max(block.end, time);
  }
  void share(std::size_t item, std::size_t with) { block_of_[item] = block_of_[with]; }
  [[nodiscard]] bool has(std::size_t item) const { return block_of_[item].has_value(); }
  [[nodiscard]] const std::vector<ArenaBlock>& blocks() const { return blocks_; }

  [[nodiscard]] std::vector<std::int64_t> offsets(const ArenaPlan& plan, std::size_t first) const {
    std::vector<std::int64_t> result;
    for (const std::optional<std::size_t>& block : block_of_) {
      result.push_back(block.has_value() ? plan.offsets[first + *block] : -1);
    }
    return result;
  }

 private:
  std::vector<std::optional<std::size_t>> block_of_;
  std::vector<ArenaBlock> blocks_;
};

void place_gradients(const VqganArchitecture& architecture, Places& gradients) {
  const auto count = static_cast<std::int64_t>(architecture.operations.size());
  const auto size = [&](std::size_t value) { return architecture.values[value].size(); };
  gradients.use(architecture.reconstruction(), size(architecture.reconstruction()), count);
  for (std::int64_t index = count - 1; index >= 0; --index) {
    const VqganOperation& operation = architecture.operations[static_cast<std::size_t>(index)];
    const std::int64_t time = 2 * count - index;
    require(gradients.has(operation.output), "every result of an operation is read");
    gradients.use(operation.output, size(operation.output), time);
    if (operation.residual.has_value()) {
      // The gradient of a sum is that of its terms; the last convolution of a block is the first to be gone back
      // through, so nothing has been added to it yet.
      require(!gradients.has(*operation.residual), "the sum of a block is the last reader of its input");
      gradients.share(*operation.residual, operation.output);
    }
    if (operation.kind == VqganOperationKind::quantization) {
      gradients.share(operation.input, operation.output);
    } else if (operation.input != 0) {  // frames have no gradient
      gradients.use(operation.input, size(operation.input), time);
    }
  }
}

}  // namespace

VqganPlaces plan_places(const VqganArchitecture& architecture, VqganUse use) {
  const bool is_training = use == VqganUse::training;
  const auto count = static_cast<std::int64_t>(architecture.operations.size());
  Places values(architecture.values.size());
  Places gradients(architecture.values.size());
  Places means(architecture.operations.size());
  const auto use_value = [&](std::size_t value, std::int64_t time) {
    values.use(value, architecture.values[value].size(), time);
  };
  use_value(0, 0);
  use_value(architecture.reconstruction(), count);
  for (std::int64_t index = 0; index < count; ++index) {
    const auto place = static_cast<std::size_t>(index);
    const VqganOperation& operation = architecture.operations[place];
    const std::int64_t backward = 2 * count - index;
    use_value(operation.input, index);
    use_value(operation.output, index);
    if (operation.residual.has_value()) {
      use_value(*operation.residual, index);
    }
    if (operation.kind == VqganOperationKind::norm) {
      means.use(place, 2 * architecture.config.norm_groups, index);
    }
    if (is_training && operation.kind != VqganOperationKind::upsampling) {
      use_value(operation.input, backward);
      if (operation.kind == VqganOperationKind::norm) {
        means.use(place, 2 * architecture.config.norm_groups, backward);
      }
    }
  }
  if (is_training) {
    place_gradients(architecture, gradients);
  }
  std::vector<ArenaBlock> blocks = values.blocks();
  const std::size_t first_gradient = blocks.size();
  blocks.insert(blocks.end(), gradients.blocks().begin(), gradients.blocks().end());
  const std::size_t first_mean = blocks.size();
  blocks.insert(blocks.end(), means.blocks().begin(), means.blocks().end());
  const ArenaPlan plan = plan_arena(blocks, block_alignment);
  return {.values = values.offsets(plan, 0),
          .gradients = gradients.offsets(plan, first_gradient),
          .means = means.offsets(plan, first_mean),
          .numbers = plan.size};
}

MemoryByUse plan_vqgan_memory(const VqganArchitecture& architecture, VqganUse use, std::int64_t frames) {
  const std::int64_t vectors = architecture.values[architecture.z()].side * architecture.values[architecture.z()].side;
  const std::int64_t frame_numbers = architecture.values.front().size();
  MemoryByUse memory;
  memory[MemoryUse::parameters] = architecture.numbers * bytes_of_float;
  memory[MemoryUse::activations] = plan_places(architecture, use).numbers * frames * bytes_of_float;
  // Frames on their way in or out, codes, squared errors, and the two sums of a frame.
  memory[MemoryUse::scratch] = frames * (frame_numbers + 2 * vectors + 2) * bytes_of_float;
  if (use == VqganUse::training) {
    memory[MemoryUse::gradients] = architecture.numbers * bytes_of_float;
    memory[MemoryUse::moments] = 2 * architecture.numbers * bytes_of_float;
  }
  return memory;
}

}  // namespace ringworld
