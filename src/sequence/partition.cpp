#include "sequence/partition.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.hpp"
#include "core/spelling.hpp"

namespace ringworld {

Layout parse_layout(std::string_view name) {
  for (std::size_t index = 0; index < layout_names.size(); ++index) {
    if (name == layout_names[index]) {
      return static_cast<Layout>(index);
    }
  }
  throw_unknown_name("layout", name, layout_names);
}

Partition::Partition(Layout layout, std::int64_t context_length, std::int64_t ranks)
    : layout_(layout), context_length_(context_length), ranks_(ranks) {
  require_input(context_length > 0, fmt::format("context length {} must be at least 1 token", context_length));
  require(ranks > 0, "a ring has at least one rank");
}

TokenRun Partition::piece(std::int64_t index, std::int64_t pieces) const {
  const std::int64_t base = context_length_ / pieces;
  const std::int64_t longer = context_length_ % pieces;  // the first pieces hold one token more
  return {.token_local = 0,
          .token = index * base + std::min(index, longer),
          .stride = 1,
          .count = base + (index < longer ? 1 : 0)};
}

std::vector<TokenRun> Partition::runs(std::int64_t rank) const {
  std::vector<TokenRun> found;
  switch (layout_) {
    case Layout::contiguous:
      found = {piece(rank, ranks_)};
      break;
    case Layout::striped: {
      const std::int64_t count = std::max<std::int64_t>(0, (context_length_ - rank + ranks_ - 1) / ranks_);
      found = {{.token_local = 0, .token = rank, .stride = ranks_, .count = count}};
      break;
    }
    case Layout::zigzag: {
      TokenRun late = piece(2 * ranks_ - 1 - rank, 2 * ranks_);
      const TokenRun early = piece(rank, 2 * ranks_);
      late.token_local = early.count;
      found = {early, late};
      break;
    }
  }
  std::erase_if(found, [](const TokenRun& run) { return run.count == 0; });
  return found;
}

std::vector<std::int64_t> Partition::positions(std::int64_t rank) const {
  std::vector<std::int64_t> positions;
  for (const TokenRun& run : runs(rank)) {
    for (std::int64_t i = 0; i < run.count; ++i) {
      positions.push_back(run.token + i * run.stride);
    }
  }
  return positions;
}

std::int64_t Partition::tokens(std::int64_t rank) const {
  std::int64_t total = 0;
  for (const TokenRun& run : runs(rank)) {
    total += run.count;
  }
  return total;
}

std::int64_t Partition::tokens_per_rank() const {
  std::int64_t most = 0;
  for (std::int64_t rank = 0; rank < ranks_; ++rank) {
    most = std::max(most, tokens(rank));
  }
  return most;
}

}  // namespace ringworld
