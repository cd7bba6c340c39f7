#include "kernels/embedding/cost.hpp"

#include <algorithm>

namespace ringworld {
namespace {

constexpr std::int64_t token_id_bytes = 4;

}  // namespace

Cost cost_of(const EmbeddingForward& pass) {
  const std::int64_t row_bytes = pass.y.columns * (size_of(pass.table.dtype) + size_of(pass.y.dtype));
  return {.flop = 0, .bytes = static_cast<double>(pass.y.rows * (row_bytes + token_id_bytes))};
}

Cost cost_of(const EmbeddingBackward& pass, std::int64_t distinct_tokens) {
  const std::int64_t columns = pass.dy.columns;
  const std::int64_t gradient_bytes = pass.dy.rows * (columns * size_of(pass.dy.dtype) + token_id_bytes);
  const std::int64_t table_bytes = 2 * distinct_tokens * columns * size_of(DType::float32);
  return {.flop = static_cast<double>(pass.dy.rows * columns),
          .bytes = static_cast<double>(gradient_bytes + table_bytes)};
}

Cost cost_of(const EmbeddingBackward& pass) { return cost_of(pass, std::min(pass.dy.rows, pass.dtable.shape[0])); }

}  // namespace ringworld
