#pragma once
/// @file  Rows of the backward pass that are a query's: dq.

#include <vector>

#include "probe/query_sums.hpp"
#include "probe/rank_rows.hpp"

namespace ringworld {

/// @param queries  of the head, in closed form     @param tally  of the thread, counts the row
void check_query_gradient(const RankRows& rows, const ProbeHead& head, const std::vector<QuerySums>& queries,
                          const ProbeBackwardResult& result, const ProbeRow& row, Tally& tally);

}  // namespace ringworld
