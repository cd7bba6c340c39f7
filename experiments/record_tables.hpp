#pragma once
/// @file  The tables that records may have, once: the schema page and the merge of records go through this list.

#include <tuple>
#include <type_traits>
#include <vector>

#include "experiments/attention/rows.hpp"
#include "experiments/common/link_rows.hpp"
#include "experiments/evaluate/rows.hpp"
#include "experiments/generate/rows.hpp"
#include "experiments/sweep/rows.hpp"
#include "experiments/tokenize/rows.hpp"
#include "io/rank_row.hpp"
#include "io/schema.hpp"
#include "tasks/needle/rows.hpp"
#include "train/rows.hpp"
#include "train/simulated_rows.hpp"
#include "vqgan/rows.hpp"

namespace ringworld {

using RecordTables =
    std::tuple<AttentionRow, SampleRow, OverlapRow, TrainingStepRow, TrainingTermRow, TrainingStageRow,
               SimulatedStepRow, VqganStepRow, VqganEvaluationRow, NeedleCellRow, PerplexityRow, EvaluationMeasureRow,
               EvaluationNeedleRow, EvaluationTextRow, EvaluationRoundTripRow, EvaluationExampleRow, GenerationRow,
               SweepPointRow, TokenizedItemRow, TokenizedFrameRow, LinkRow, RankRow>;

/// Calls `function(std::type_identity<Row>())` for each table.
template <class Function>
void for_each_table(Function&& function) {
  const auto each = [&]<class... Rows>(std::type_identity<std::tuple<Rows...>>) {
    (function(std::type_identity<Rows>()), ...);
  };
  each(std::type_identity<RecordTables>());
}

[[nodiscard]] inline std::vector<TableSchema> record_schemas() {
  std::vector<TableSchema> tables;
  for_each_table([&]<class Row>(std::type_identity<Row>) { tables.push_back(schema_of<Row>()); });
  return tables;
}

}  // namespace ringworld
