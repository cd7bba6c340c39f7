#pragma once
/// @file  Rows of the backward pass that are a key's: dk and dv together.

#include <vector>

#include "probe/query_sums.hpp"
#include "probe/rank_rows.hpp"

namespace ringworld {

/// The expected dk and dv of a key.
struct KeyShare {
  double common = 0;   // sum of dscore: what multiplies code and bias
  double squares = 0;  // of its terms
  double tag = 0;      // sum of dscore * tag of the query
  double tag_squares = 0;
  std::vector<double> dv;
  std::vector<double> dv_squares;
};

/// Adds what the queries of one head give to the keys that this rank holds.
/// @param keys  (T), one for each token that this rank holds
void gather_keys(const RankRows& rows, const ProbeHead& head, const std::vector<QuerySums>& queries,
                 std::vector<KeyShare>& keys);

/// @param tally  of the thread, counts the row
void check_key_gradient(const RankRows& rows, const ProbeHead& head, const KeyShare& share,
                        const ProbeBackwardResult& result, const ProbeRow& row, Tally& tally);

}  // namespace ringworld
