#include "tasks/vision/packing.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

namespace ringworld {
namespace {

/// Rows with the room that is left in each.
class Rows {
 public:
  Rows(VisionPacking packing, RowShape row, std::int64_t most)
      : packing_(packing), row_(row), most_(most), is_stream_(packing == VisionPacking::naive) {}

  /// Into the first row that has room; false when none has.
  bool place(std::int64_t document, std::int64_t length) {
    if (is_stream_) {
      return place_in_stream(document, length);
    }
    const std::int64_t needed = packing_ == VisionPacking::pad ? row_.tokens() : length;
    auto place = std::ranges::find_if(rooms_, [&](std::int64_t room) { return room >= needed; });
    if (place == rooms_.end()) {
      if (std::ssize(rooms_) == most_ || needed > row_.tokens()) {
        return false;
      }
      rooms_.push_back(row_.tokens());
      lists_.emplace_back();
      place = rooms_.end() - 1;
    }
    *place -= needed;
    lists_[static_cast<std::size_t>(place - rooms_.begin())].push_back(document);
    return true;
  }

  [[nodiscard]] std::int64_t count() const {
    return is_stream_ ? (streamed_ + row_.context_length - 1) / row_.context_length : std::ssize(lists_);
  }
  [[nodiscard]] const std::vector<std::vector<std::int64_t>>& lists() const { return lists_; }

 private:
  /// A stream of R rows is R S inputs and the last target; its last document may be cut.
  bool place_in_stream(std::int64_t document, std::int64_t length) {
    if (streamed_ > most_ * row_.context_length) {
      return false;
    }
    lists_.resize(1);
    lists_.front().push_back(document);
    streamed_ += length;
    return true;
  }

  VisionPacking packing_;
  RowShape row_;
  std::int64_t most_;
  bool is_stream_;
  std::int64_t streamed_ = 0;
  std::vector<std::int64_t> rooms_;
  std::vector<std::vector<std::int64_t>> lists_;
};

/// Entries of a cycle, the longest first: they find room, and short ones fill what is left.
std::vector<std::size_t> longest_first(std::span<const std::int64_t> lengths) {
  std::vector<std::size_t> order(lengths.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::ranges::greater{}, [&](std::size_t entry) { return lengths[entry]; });
  return order;
}

}  // namespace

PackingPlan pack_cycles(VisionPacking packing, std::span<const std::int64_t> lengths, RowShape row, std::int64_t rows) {
  const std::vector<std::size_t> order = longest_first(lengths);
  Rows placed(packing, row, rows);
  for (std::int64_t cycle = 0;; ++cycle) {
    std::int64_t count = 0;
    for (const std::size_t entry : order) {
      const auto document = cycle * std::ssize(lengths) + static_cast<std::int64_t>(entry);
      count += placed.place(document, lengths[entry]) ? 1 : 0;
    }
    if (cycle == 0 && count < std::ssize(lengths) && packing != VisionPacking::naive) {
      return {};
    }
    if (count < std::ssize(lengths)) {
      break;
    }
  }
  PackingPlan plan{.lists = placed.lists(), .rows = rows};
  if (packing != VisionPacking::naive) {
    plan.lists.resize(static_cast<std::size_t>(rows));
  }
  return plan;
}

std::int64_t rows_of_cycle(VisionPacking packing, std::span<const std::int64_t> lengths, RowShape row) {
  Rows placed(packing, row, std::ssize(lengths));
  for (const std::size_t entry : longest_first(lengths)) {
    static_cast<void>(placed.place(static_cast<std::int64_t>(entry), lengths[entry]));
  }
  return placed.count();
}

PackingPlan pack_in_order(VisionPacking packing, std::span<const std::int64_t> lengths, RowShape row) {
  PackingPlan plan;
  if (packing == VisionPacking::naive) {
    plan.lists.emplace_back(lengths.size());
    std::iota(plan.lists.front().begin(), plan.lists.front().end(), std::int64_t{0});
    const std::int64_t tokens = std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
    plan.rows = std::max<std::int64_t>(0, tokens - 1) / row.context_length;
    return plan;
  }
  std::int64_t room = 0;
  for (std::int64_t document = 0; document < std::ssize(lengths); ++document) {
    const std::int64_t length = lengths[static_cast<std::size_t>(document)];
    if (packing == VisionPacking::pad || length > room) {
      plan.lists.emplace_back();
      room = row.tokens();
    }
    plan.lists.back().push_back(document);
    room -= length;
  }
  plan.rows = std::ssize(plan.lists);
  return plan;
}

}  // namespace ringworld
