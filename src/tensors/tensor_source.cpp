#include "tensors/tensor_source.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "core/error.hpp"

namespace ringworld {

void TensorSource::require_tensor(const std::string& name, std::span<const std::int64_t> shape) const {
  const TensorInfo found = describe(name);
  if (!std::ranges::equal(found.shape, shape)) {
    throw Error(ErrorKind::bad_input, fmt::format("{} has shape ({}), where ({}) is expected", label_of(name),
                                                  fmt::join(found.shape, ", "), fmt::join(shape, ", ")))
        .as_collective();
  }
}

void TensorSource::throw_attribute(const std::string& name, const std::optional<AttributeValue>& found,
                                   std::string_view expected) const {
  throw Error(ErrorKind::bad_input, found.has_value()
                                        ? fmt::format("attribute '{}' of '{}' is '{}', where {} is expected", name,
                                                      path_.string(), ringworld::describe(*found), expected)
                                        : fmt::format("'{}' has no attribute '{}'", path_.string(), name))
      .as_collective();
}

}  // namespace ringworld
