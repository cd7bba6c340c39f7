#include "model/parameters.hpp"

#include <algorithm>

#include "core/error.hpp"
#include "device/host_access.hpp"

namespace ringworld {
namespace {

/// Shards begin on a cache line.
constexpr std::int64_t shard_granularity = 16;

}  // namespace

std::int64_t unit_shard_elements(std::int64_t unit_elements, std::int64_t ranks) {
  const std::int64_t quantum = ranks * shard_granularity;
  return (unit_elements + quantum - 1) / quantum * shard_granularity;
}

std::size_t unit_slot(const ModelConfig& config, std::int64_t unit) {
  // A tied embedding is needed at both ends of a pass.
  constexpr std::size_t tied_slot = unit_slots - 1;
  const bool is_tied = config.is_head_tied && unit == ParameterLayout::embedding_unit;
  return is_tied ? tied_slot : static_cast<std::size_t>(unit % 2);
}

ShardedParameters::ShardedParameters(const ModelConfig& config, const Mesh& mesh, Backend backend, ParameterUse use)
    : mesh_(mesh),
      memory_(device_of(backend)),
      use_(use),
      tensors_(make_tensor_ops(backend)),
      profile_(device(memory_)),
      group_(mesh.across({MeshAxis::fsdp, MeshAxis::sp})),
      summed_(group_.duplicate()),
      layout_(config, mesh.shape()[MeshAxis::tp], mesh.coordinate(MeshAxis::tp)) {
  shard_offsets_.push_back(0);
  for (const UnitLayout& unit : layout_.units()) {
    shard_offsets_.push_back(shard_offsets_.back() + unit_shard_elements(unit.elements, group_.size()));
  }
  shard_elements_ = shard_offsets_.back();  // NOLINT(cppcoreguidelines-prefer-member-initializer): known only here
  parameters_ = Buffer(shard_elements_ * static_cast<std::int64_t>(sizeof(float)), memory_, MemoryUse::parameters);
  gradients_ =
      Buffer(std::ssize(gradient_shard()) * static_cast<std::int64_t>(sizeof(float)), memory_, MemoryUse::gradients);
  tensors_->fill_zero(shard());
  clear_gradients();
  list_pieces();
  if (!is_alone()) {
    make_slots();
  }
}

void ShardedParameters::make_slots() {
  std::array<std::int64_t, unit_slots> longest{};
  for (std::int64_t unit = 0; unit < layout_.unit_count(); ++unit) {
    std::int64_t& length = longest[unit_slot(config(), unit)];
    length = std::max(length, shard_length(unit));
  }
  for (std::size_t slot = 0; slot < longest.size(); ++slot) {
    const std::int64_t bytes = longest[slot] * static_cast<std::int64_t>(sizeof(float));
    gathered_[slot].memory = Buffer(bytes * group_.size(), memory_, MemoryUse::gathered);
    if (is_trained()) {
      sums_[slot].memory = Buffer(bytes * group_.size(), memory_, MemoryUse::gathered);
      sums_[slot].landing = Buffer(bytes, memory_, MemoryUse::gathered);
    }
  }
}

void ShardedParameters::list_pieces() {
  for (std::int64_t unit = 0; unit < layout_.unit_count(); ++unit) {
    const std::int64_t shard_begin = shard_length(unit) * group_.rank();
    const std::int64_t shard_end = shard_begin + shard_length(unit);
    const std::span<float> values = unit_shard(parameters_, unit);
    const std::span<float> sums = is_trained() ? unit_shard(gradients_, unit) : std::span<float>();
    for (const TensorLayout& tensor : layout_.unit(unit).tensors) {
      const std::int64_t begin = std::max(tensor.offset, shard_begin);
      const std::int64_t end = std::min(tensor.offset + tensor.local_elements(), shard_end);
      if (begin < end) {
        const auto offset = static_cast<std::size_t>(begin - shard_begin);
        const auto count = static_cast<std::size_t>(end - begin);
        pieces_.push_back({.tensor = &tensor,
                           .unit = unit,
                           .begin = begin - tensor.offset,
                           .end = end - tensor.offset,
                           .parameter = values.subspan(offset, count),
                           .gradient = is_trained() ? sums.subspan(offset, count) : sums});
      }
    }
  }
}

void ShardedParameters::initialize(const InitialWeights& initial, std::uint64_t seed) {
  HostAccess access(memory_);
  for (const ParameterPiece& piece : pieces_) {
    access.write(piece.parameter, [&](std::span<float> values) {
      ringworld::initialize(config(), *piece.tensor, initial, seed, piece.begin, values);
    });
  }
  invalidate_gathered();
}

void ShardedParameters::clear_gradients() {
  const auto scope = profile_.scope(Work::elementwise);
  tensors_->fill_zero(gradient_shard());
}

void ShardedParameters::invalidate_gathered() {
  for (Slot& slot : gathered_) {
    slot.pending.wait();
    slot.unit = -1;
  }
}

void ShardedParameters::start_gather(std::int64_t unit) {
  Slot& slot = gathered_[unit_slot(config(), unit)];
  if (is_alone() || slot.unit == unit) {
    return;
  }
  slot.pending.wait();
  slot.unit = unit;
  slot.pending = start_all_gather(group_, unit_shard(parameters_, unit), whole(slot, unit), memory_);
}

std::span<const float> ShardedParameters::gather(std::int64_t unit) {
  if (is_alone()) {
    return unit_shard(parameters_, unit);
  }
  start_gather(unit);
  Slot& slot = gathered_[unit_slot(config(), unit)];
  const auto scope = profile_.scope(Work::communication);
  slot.pending.wait();
  return whole(slot, unit);
}

std::span<float> ShardedParameters::gradient(std::int64_t unit) {
  require(is_trained(), "parameters: those for evaluation have no gradients");
  if (is_alone()) {
    return unit_shard(gradients_, unit);
  }
  Slot& slot = sums_[unit_slot(config(), unit)];
  const std::span<float> sums = whole(slot, unit);
  if (slot.is_reducing || slot.unit != unit) {
    finish_reduce(slot);
    slot.unit = unit;
    const auto scope = profile_.scope(Work::elementwise);
    tensors_->fill_zero(sums);
  }
  return sums;
}

void ShardedParameters::start_reduce_scatter(std::int64_t unit) {
  if (is_alone()) {
    return;
  }
  Slot& slot = sums_[unit_slot(config(), unit)];
  require(slot.unit == unit && !slot.is_reducing, "parameters: this unit's gradient is not being added up");
  slot.is_reducing = true;
  const std::span<float> landing(slot.landing.as<float>(), static_cast<std::size_t>(shard_length(unit)));
  slot.pending = ringworld::start_reduce_scatter(summed_, whole(slot, unit), landing, memory_);
}

void ShardedParameters::finish_reduce(Slot& slot) {
  if (!slot.is_reducing) {
    return;
  }
  {
    const auto scope = profile_.scope(Work::communication);
    slot.pending.wait();
  }
  const auto scope = profile_.scope(Work::elementwise);
  const std::span<float> sums = unit_shard(gradients_, slot.unit);
  tensors_->add({slot.landing.as<float>(), sums.size()}, sums);
  slot.is_reducing = false;
  slot.unit = -1;
}

void ShardedParameters::progress() {
  for (Slot& slot : gathered_) {
    slot.pending.test();
  }
  for (Slot& slot : sums_) {
    slot.pending.test();
  }
}

void ShardedParameters::wait_for_reduce_scatters() {
  for (Slot& slot : sums_) {
    finish_reduce(slot);
  }
}

void ShardedParameters::finish_gradients() {
  wait_for_reduce_scatters();
  if (const Communicator& copies = mesh_.along(MeshAxis::dp); copies.size() > 1) {
    const auto scope = profile_.scope(Work::communication);
    all_reduce(copies, gradient_shard(), Reduction::sum, memory_);
  }
}

std::int64_t ShardedParameters::shard_length(std::int64_t unit) const {
  return shard_offsets_[static_cast<std::size_t>(unit + 1)] - shard_offsets_[static_cast<std::size_t>(unit)];
}

std::span<float> ShardedParameters::unit_shard(const Buffer& buffer, std::int64_t unit) const {
  return {buffer.as<float>() + shard_offsets_[static_cast<std::size_t>(unit)],
          static_cast<std::size_t>(shard_length(unit))};
}

std::span<float> ShardedParameters::whole(const Slot& slot, std::int64_t unit) const {
  return {slot.memory.as<float>(), static_cast<std::size_t>(shard_length(unit) * group_.size())};
}

}  // namespace ringworld
