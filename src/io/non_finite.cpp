#include "io/non_finite.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace ringworld {

namespace {

std::vector<std::int64_t> index_of(std::int64_t place, std::span<const std::int64_t> shape) {
  std::vector<std::int64_t> index(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    index[axis] = place % shape[axis];
    place /= shape[axis];
  }
  return index;
}

}  // namespace

NonFiniteNumbers::Tensor& NonFiniteNumbers::find(const std::string& tensor, std::span<const std::int64_t> shape) {
  const auto known = std::ranges::find(tensors_, tensor, &Tensor::name);
  return known != tensors_.end() ? *known
                                 : tensors_.emplace_back(Tensor{.name = tensor, .shape = {shape.begin(), shape.end()}});
}

void NonFiniteNumbers::add(const std::string& tensor, std::span<const std::int64_t> shape, std::int64_t place) {
  Tensor& found = find(tensor, shape);
  found.first = found.count == 0 ? place : std::min(found.first, place);
  ++found.count;
}

void NonFiniteNumbers::count(const std::string& tensor, std::span<const std::int64_t> shape, std::int64_t first,
                             std::span<const float> values) {
  static_cast<void>(find(tensor, shape));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      add(tensor, shape, first + static_cast<std::int64_t>(i));
    }
  }
}

void NonFiniteNumbers::count(const std::string& tensor, std::span<const std::int64_t> shape, const Hyperslab& slab,
                             std::span<const float> values) {
  static_cast<void>(find(tensor, shape));
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) {
      continue;
    }
    const std::vector<std::int64_t> inside = index_of(static_cast<std::int64_t>(i), slab.count);
    std::int64_t place = 0;
    for (std::size_t axis = 0; axis < shape.size(); ++axis) {
      const std::int64_t stride = slab.stride.empty() ? 1 : slab.stride[axis];
      place = place * shape[axis] + slab.start[axis] + inside[axis] * stride;
    }
    add(tensor, shape, place);
  }
}

void NonFiniteNumbers::add_ranks(const Communicator& communicator) {
  std::vector<std::int64_t> counts;
  std::vector<std::int64_t> firsts;
  for (const Tensor& tensor : tensors_) {
    counts.push_back(tensor.count);
    firsts.push_back(tensor.count == 0 ? std::numeric_limits<std::int64_t>::max() : tensor.first);
  }
  communicator.all_reduce(std::span(counts), Reduction::sum);
  communicator.all_reduce(std::span(firsts), Reduction::min);
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    tensors_[i].count = counts[i];
    tensors_[i].first = firsts[i];
  }
}

bool NonFiniteNumbers::is_empty() const {
  return std::ranges::all_of(tensors_, [](const Tensor& tensor) { return tensor.count == 0; });
}

std::string NonFiniteNumbers::to_string() const {
  constexpr std::size_t most_named = 4;
  std::vector<std::string> parts;
  std::size_t tensors = 0;
  for (const Tensor& tensor : tensors_) {
    if (tensor.count > 0 && ++tensors <= most_named) {
      parts.push_back(fmt::format("'{}' holds {} that {} NaN, infinite or too large for float32, the first at ({})",
                                  tensor.name, tensor.count == 1 ? "a number" : fmt::format("{} numbers", tensor.count),
                                  tensor.count == 1 ? "is" : "are",
                                  fmt::join(index_of(tensor.first, tensor.shape), ", ")));
    }
  }
  if (tensors > most_named) {
    parts.push_back(fmt::format("and so do {} more", tensors - most_named));
  }
  return fmt::format("{}", fmt::join(parts, "; "));
}

}  // namespace ringworld
