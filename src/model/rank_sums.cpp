#include "model/rank_sums.hpp"

#include "comm/collectives.hpp"

namespace ringworld {

void sum_over_ranks(const Communicator& communicator, const RowsView& rows, float* scratch, Compute& compute) {
  if (communicator.size() == 1) {
    return;
  }
  const auto scope = compute.scope(Work::communication);
  const auto count = static_cast<std::size_t>(rows.rows * rows.columns);
  if (rows.dtype == DType::float32) {
    all_reduce(communicator, std::span(static_cast<float*>(rows.data), count), Reduction::sum, compute.memory());
    return;
  }
  const RowsView sums(scratch, DType::float32, {rows.rows, rows.columns});
  compute.tensors().copy_rows(rows, sums);
  all_reduce(communicator, std::span(scratch, count), Reduction::sum, compute.memory());
  compute.tensors().copy_rows(sums, rows);
}

}  // namespace ringworld
