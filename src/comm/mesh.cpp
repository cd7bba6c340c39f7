#include "comm/mesh.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <vector>

#include "core/error.hpp"
#include "core/tensor_view.hpp"

namespace ringworld {
namespace {

std::vector<std::int64_t> split_integers(std::string_view text) {
  std::vector<std::int64_t> numbers;
  while (true) {
    const std::size_t comma = text.find(',');
    const std::string_view word = text.substr(0, comma);
    std::int64_t number = 0;
    const auto [end, failure] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (failure != std::errc{} || end != word.data() + word.size()) {
      return {};
    }
    numbers.push_back(number);
    if (comma == std::string_view::npos) {
      return numbers;
    }
    text.remove_prefix(comma + 1);
  }
}

}  // namespace

std::string MeshShape::to_string() const { return fmt::format("{}", fmt::join(sizes, ",")); }

MeshShape parse_mesh(std::string_view text, std::int64_t ranks) {
  const std::vector<std::int64_t> numbers = split_integers(text);
  require_input(numbers.size() == 4, fmt::format("mesh '{}' is not four integers dp,fsdp,tp,sp, as in 1,-1,4,1", text));
  MeshShape shape;
  std::int64_t known = 1;
  int free_axis = -1;
  for (int axis = 0; axis < 4; ++axis) {
    const std::int64_t size = numbers[static_cast<std::size_t>(axis)];
    if (size == -1) {
      require_input(free_axis < 0, fmt::format("mesh '{}' has more than one -1", text));
      free_axis = axis;
      continue;
    }
    require_input(size > 0, fmt::format("mesh '{}': axis {} must be positive or -1", text,
                                        mesh_axis_names[static_cast<std::size_t>(axis)]));
    // Before the product, which might not fit an integer.
    require_input(size <= ranks / known, fmt::format("mesh '{}' has more ranks than the job's {}", text, ranks));
    shape.sizes[static_cast<std::size_t>(axis)] = size;
    known *= size;
  }
  if (free_axis >= 0) {
    require_input(ranks % known == 0, fmt::format("mesh '{}': {} ranks are not a multiple of {}", text, ranks, known));
    shape.sizes[static_cast<std::size_t>(free_axis)] = ranks / known;
    known = ranks;
  }
  require_input(known == ranks, fmt::format("mesh '{}' has {} ranks, the job has {}", text, known, ranks));
  return shape;
}

Mesh::Mesh(const Communicator& communicator, const MeshShape& shape) : shape_(shape), all_(communicator) {
  require(element_count(shape.sizes) == communicator.size(),
          "the mesh does not have as many ranks as the communicator");
  coordinates_ = coordinates_of(communicator.rank());
  for (std::size_t axis = 0; axis < 4; ++axis) {
    axes_[axis] = across({static_cast<MeshAxis>(axis)});
  }
}

std::array<std::int64_t, 4> Mesh::coordinates_of(std::int64_t rank) const {
  std::array<std::int64_t, 4> coordinates{};
  for (std::size_t axis = 4; axis-- > 0;) {
    coordinates[axis] = rank % shape_.sizes[axis];
    rank /= shape_.sizes[axis];
  }
  return coordinates;
}

Communicator Mesh::across(std::initializer_list<MeshAxis> axes) const {
  std::vector<int> members;
  for (int rank = 0; rank < all_.size(); ++rank) {
    const std::array<std::int64_t, 4> coordinates = coordinates_of(rank);
    bool is_member = true;
    for (std::size_t axis = 0; axis < 4; ++axis) {
      const bool is_spanned = std::ranges::find(axes, static_cast<MeshAxis>(axis)) != axes.end();
      is_member = is_member && (is_spanned || coordinates[axis] == coordinates_[axis]);
    }
    if (is_member) {
      members.push_back(rank);
    }
  }
  return all_.part(members);
}

}  // namespace ringworld
