#include "model/weights.hpp"

#include <algorithm>

namespace ringworld {
namespace {

std::int64_t largest_unit(const ParameterLayout& layout) {
  std::int64_t largest = 0;
  for (const UnitLayout& unit : layout.units()) {
    largest = std::max(largest, unit.elements);
  }
  return largest;
}

const void* element_of(const void* unit, std::int64_t offset, DType dtype) {
  return static_cast<const std::byte*>(unit) + offset * size_of(dtype);
}

/// Number of elements in the norms and biases of a unit.
std::int64_t vector_elements(const UnitLayout& unit) {
  std::int64_t elements = 0;
  for (const TensorLayout& tensor : unit.tensors) {
    elements += tensor.global_shape.size() == 1 ? tensor.local_elements() : 0;
  }
  return elements;
}

ConstRowsView table_of(const ParameterLayout& layout, const void* unit, DType dtype) {
  return {element_of(unit, ParameterLayout::embedding_offset(), dtype),
          dtype,
          {layout.vocabulary().rows(), layout.config().hidden_size}};
}

}  // namespace

GatheredWeights::GatheredWeights(ShardedParameters& parameters, DType dtype, Compute& compute)
    : parameters_(parameters), dtype_(dtype), compute_(compute) {
  if (dtype != DType::float32) {
    copy_ = compute.allocate(largest_unit(parameters.layout()) * size_of(dtype), MemoryUse::gathered);
  }
}

std::span<const float> GatheredWeights::gather(std::int64_t unit, std::int64_t next) {
  const std::span<const float> whole = parameters_.gather(unit);
  if (next >= 0) {
    parameters_.start_gather(next);
  }
  return whole.first(static_cast<std::size_t>(parameters_.layout().unit(unit).elements));
}

const void* GatheredWeights::convert(std::span<const float> unit) {
  if (dtype_ == DType::float32) {
    return unit.data();
  }
  const auto scope = compute_.scope(Work::elementwise);
  const std::array<std::int64_t, 2> one_row{1, std::ssize(unit)};
  compute_.tensors().copy_rows({unit.data(), DType::float32, one_row}, {copy_.data(), dtype_, one_row});
  return copy_.data();
}

ConstRowsView GatheredWeights::embedding() {
  parameters_.invalidate_gathered();
  return table_of(parameters_.layout(), gather(ParameterLayout::embedding_unit, ParameterLayout::layer_unit(0)).data(),
                  DType::float32);
}

LayerWeights GatheredWeights::layer(std::int64_t index, std::int64_t next_layer) {
  const std::int64_t unit = ParameterLayout::layer_unit(index);
  const std::span<const float> whole = gather(unit, next_layer < 0 ? -1 : ParameterLayout::layer_unit(next_layer));
  return view_layer_weights(parameters_.layout().unit(unit), whole, convert(whole), dtype_);
}

std::span<const float> GatheredWeights::final_norm(std::int64_t next) {
  return gather(parameters_.layout().final_unit(), next)
      .first(static_cast<std::size_t>(parameters_.config().hidden_size));
}

const void* GatheredWeights::head(std::int64_t next) {
  const ParameterLayout& layout = parameters_.layout();
  return element_of(convert(gather(layout.head_unit(), next)), layout.head_offset(), dtype_);
}

HeldWeights::HeldWeights(ShardedParameters& parameters, DType dtype, Compute& compute) : compute_(compute) {
  const ParameterLayout& layout = parameters.layout();
  // All memory first: a rank that has none for them must not leave the others in the middle of the gathers.
  for (const UnitLayout& unit : layout.units()) {
    memory_.push_back(compute.allocate(unit.elements * size_of(dtype), MemoryUse::parameters));
    floats_.push_back(compute.allocate_floats(vector_elements(unit)));
  }
  parameters.invalidate_gathered();
  for (std::int64_t index = 0; index < layout.unit_count(); ++index) {
    parameters.start_gather(index);
    const UnitLayout& unit = layout.unit(index);
    const auto whole = parameters.gather(index).first(static_cast<std::size_t>(unit.elements));
    void* held = memory_[static_cast<std::size_t>(index)].data();
    copy(whole, held, dtype);
    float* vectors = floats_[static_cast<std::size_t>(index)].as<float>();
    const auto hold_vector = [&](std::span<const float> values) {
      copy(values, vectors, DType::float32);
      vectors += values.size();
      return std::span<const float>(vectors - values.size(), values.size());
    };
    if (index == ParameterLayout::embedding_unit) {
      embedding_ = table_of(layout, held, dtype);
    }
    if (index >= ParameterLayout::layer_unit(0) && index < ParameterLayout::layer_unit(layout.config().layers)) {
      LayerWeights& weights = layers_.emplace_back(view_layer_weights(unit, whole, held, dtype));
      weights.norm = hold_vector(weights.norm);
      weights.qkv_bias = hold_vector(weights.qkv_bias);
      weights.query_norm = hold_vector(weights.query_norm);
      weights.key_norm = hold_vector(weights.key_norm);
      weights.middle_norm = hold_vector(weights.middle_norm);
    }
    if (index == layout.final_unit()) {
      final_norm_ = hold_vector(whole.first(static_cast<std::size_t>(layout.config().hidden_size)));
    }
    if (index == layout.head_unit()) {
      head_ = element_of(held, layout.head_offset(), dtype);
    }
  }
  parameters.invalidate_gathered();
}

void HeldWeights::copy(std::span<const float> values, void* to, DType dtype) {
  const std::array<std::int64_t, 2> one_row{1, std::ssize(values)};
  compute_.tensors().copy_rows({values.data(), DType::float32, one_row}, {to, dtype, one_row});
}

}  // namespace ringworld
