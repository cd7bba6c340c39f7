#include "data/draw_stream.hpp"

#include <unordered_set>
#include <utility>

#include "core/error.hpp"

namespace ringworld {

std::vector<std::int64_t> draw_distinct(std::int64_t count, std::int64_t bound, DrawStream& draws) {
  require(count >= 0 && count <= bound, "more distinct integers than there are");
  // Floyd's sample: each of `count` draws adds one new member; the order is mixed afterwards.
  std::vector<std::int64_t> drawn;
  std::unordered_set<std::int64_t> members;
  for (std::int64_t last = bound - count; last < bound; ++last) {
    const std::int64_t candidate = draws.below(last + 1);
    const std::int64_t member = members.contains(candidate) ? last : candidate;
    members.insert(member);
    drawn.push_back(member);
  }
  for (std::size_t end = drawn.size(); end > 1; --end) {
    std::swap(drawn[end - 1], drawn[static_cast<std::size_t>(draws.below(static_cast<std::int64_t>(end)))]);
  }
  return drawn;
}

}  // namespace ringworld
