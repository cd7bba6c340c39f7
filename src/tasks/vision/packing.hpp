#pragma once
/// @file  Which documents stand in which row: a plan that is made once, before anything is drawn.
///
///   masked  | a a a a a | b b b | c c . . |      whole documents, and a document mask: each sees itself alone
///           | d d d d d d d d d d | e e . |      . padding, seen by nothing and without loss
///   naive   | a a a a a b b b c c d d d d |      one after another, cut where a row ends; neighbours see each other
///           | d d d d d d e e e f f f g g |      (LWM's released code)
///   pad     | a a a a a . . . . . . . . . |      one document a row, cut when it is longer
///
/// The paper's masked packing also restarts positions in each document. That is no other mathematics: rotary embeddings
/// make attention a function of the distance between two tokens, and a mask already keeps different documents apart.

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/enumerators.hpp"

namespace ringworld {

enum class VisionPacking : std::uint8_t { masked, naive, pad };

template <>
struct Enumerators<VisionPacking> {
  static constexpr std::string_view what = "packing";
  static constexpr std::array<std::string_view, 3> names{"masked", "naive", "pad"};
};

/// Numbers of the documents of each row, in order. Naive packing has one list, the stream that is cut.
struct PackingPlan {
  std::vector<std::vector<std::int64_t>> lists;
  std::int64_t rows = 0;
};

/// A row of S inputs and their targets is S + 1 tokens.
struct RowShape {
  std::int64_t context_length = 0;
  [[nodiscard]] std::int64_t tokens() const { return context_length + 1; }
};

/// Documents of a step of `rows` rows: as many whole cycles as they hold, and of one more cycle what still fits.
/// Document n is entry n % cycle of the cycle.
/// @param lengths  the most tokens of each document of a cycle, each of which fits a row unless packing cuts
/// @return the plan; without rows when not even one cycle fits
[[nodiscard]] PackingPlan pack_cycles(VisionPacking packing, std::span<const std::int64_t> lengths, RowShape row,
                                      std::int64_t rows);

/// Rows that one cycle needs.
[[nodiscard]] std::int64_t rows_of_cycle(VisionPacking packing, std::span<const std::int64_t> lengths, RowShape row);

/// Documents of a file, in order; the plan has as many rows as they fill.
[[nodiscard]] PackingPlan pack_in_order(VisionPacking packing, std::span<const std::int64_t> lengths, RowShape row);

}  // namespace ringworld
