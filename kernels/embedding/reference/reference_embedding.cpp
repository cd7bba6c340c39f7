#include "kernels/elementwise/widened_row.hpp"
#include "kernels/embedding/embedding.hpp"
#include "kernels/embedding/reference/lookup.hpp"

namespace ringworld {
namespace {

/// (rows, C), dense.
std::vector<double> widened_rows(const ConstRowsView& view) {
  std::vector<double> values;
  for (std::int64_t row = 0; row < view.rows; ++row) {
    const std::vector<double> more = row::widened(view, row);
    values.insert(values.end(), more.begin(), more.end());
  }
  return values;
}

void narrow_rows(std::span<const double> values, const RowsView& view) {
  const auto columns = static_cast<std::size_t>(view.columns);
  for (std::int64_t row = 0; row < view.rows; ++row) {
    row::narrow(values.subspan(static_cast<std::size_t>(row) * columns, columns), view, row);
  }
}

class ReferenceEmbedding final : public Embedding {
  void run_forward(const EmbeddingForward& pass) override {
    std::vector<double> y(static_cast<std::size_t>(pass.y.rows * pass.y.columns));
    reference::look_up<double>(pass.tokens, widened_rows(pass.table), pass.vocab_begin, pass.y.columns, y);
    narrow_rows(y, pass.y);
  }

  void run_backward(const EmbeddingBackward& pass) override {
    std::vector<double> dtable = widened_rows(RowsView(pass.dtable));
    reference::look_up_backward<double>(pass.tokens, widened_rows(pass.dy), pass.vocab_begin, pass.dy.columns, dtable);
    narrow_rows(dtable, pass.dtable);
  }
};

}  // namespace

std::unique_ptr<Embedding> make_reference_embedding(const KernelOptions& /*options*/) {
  return std::make_unique<ReferenceEmbedding>();
}

}  // namespace ringworld
