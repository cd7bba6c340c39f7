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

namespace {

struct Range {
  std::int64_t begin = 0;
  std::int64_t count = 0;
};

/// The `index`-th of `pieces` consecutive pieces of `length` tokens; the first ones hold one token more.
Range piece_of(std::int64_t length, std::int64_t index, std::int64_t pieces) {
  const std::int64_t base = length / pieces;
  const std::int64_t longer = length % pieces;
  return {.begin = index * base + std::min(index, longer), .count = base + (index < longer ? 1 : 0)};
}

TokenRun dense_run(const Range& tokens) {
  return {.token_local = 0, .token = tokens.begin, .stride = 1, .count = tokens.count};
}

std::int64_t count_tokens(const std::vector<TokenRun>& runs) {
  return runs.empty() ? 0 : runs.back().token_local + runs.back().count;
}

/// The local tokens of a range as runs that begin with local token 0.
std::vector<TokenRun> cut(const std::vector<TokenRun>& runs, const Range& range) {
  std::vector<TokenRun> found;
  for (const TokenRun& run : runs) {
    const std::int64_t begin = std::max(run.token_local, range.begin);
    const std::int64_t end = std::min(run.token_local + run.count, range.begin + range.count);
    if (begin < end) {
      found.push_back({.token_local = begin - range.begin,
                       .token = run.token + (begin - run.token_local) * run.stride,
                       .stride = run.stride,
                       .count = end - begin});
    }
  }
  return found;
}

}  // namespace

Partition::Partition(Layout layout, std::int64_t context_length, std::int64_t ranks, std::int64_t ulysses)
    : layout_(layout), context_length_(context_length), ranks_(ranks), ulysses_(ulysses) {
  require_input(context_length > 0, fmt::format("context length {} must be at least 1 token", context_length));
  require(ranks > 0, "a ring has at least one rank");
  require_input(ulysses > 0 && ranks % ulysses == 0, fmt::format("{} ranks are not divisible by {}", ranks, ulysses));
}

std::vector<TokenRun> Partition::runs_of_layout(std::int64_t index) const {
  const std::int64_t parts = ranks_ / ulysses_;
  std::vector<TokenRun> found;
  switch (layout_) {
    case Layout::contiguous:
      found = {dense_run(piece_of(context_length_, index, parts))};
      break;
    case Layout::striped: {
      const std::int64_t count = std::max<std::int64_t>(0, (context_length_ - index + parts - 1) / parts);
      found = {{.token_local = 0, .token = index, .stride = parts, .count = count}};
      break;
    }
    case Layout::zigzag: {
      const TokenRun early = dense_run(piece_of(context_length_, index, 2 * parts));
      TokenRun late = dense_run(piece_of(context_length_, 2 * parts - 1 - index, 2 * parts));
      late.token_local = early.count;
      found = {early, late};
      break;
    }
  }
  std::erase_if(found, [](const TokenRun& run) { return run.count == 0; });
  return found;
}

std::vector<TokenRun> Partition::runs(std::int64_t rank) const {
  const std::vector<TokenRun> shared = runs_of_layout(rank / ulysses_);
  return cut(shared, piece_of(count_tokens(shared), rank % ulysses_, ulysses_));
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

std::int64_t Partition::tokens(std::int64_t rank) const { return count_tokens(runs(rank)); }

std::int64_t Partition::tokens_per_rank() const {
  std::int64_t most = 0;
  for (std::int64_t rank = 0; rank < ranks_; ++rank) {
    most = std::max(most, tokens(rank));
  }
  return most;
}

}  // namespace ringworld
