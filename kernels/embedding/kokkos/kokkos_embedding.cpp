#include "kernels/elementwise/kokkos/elements.hpp"
#include "kernels/elementwise/kokkos/launch.hpp"
#include "kernels/embedding/embedding.hpp"

namespace ringworld {
namespace {

struct ForwardKernel {
  const std::int32_t* tokens;
  kokkos::RowsReader table;
  std::int64_t vocab_begin;
  std::int64_t vocab_rows;
  kokkos::RowsWriter y;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t token, std::int64_t column) const {
    const std::int64_t from = tokens[token] - vocab_begin;
    y(token, column, from < 0 || from >= vocab_rows ? 0.0F : table(from, column));
  }
};

/// Sums one column over the tokens in order, so that the result does not depend on the number of threads.
struct BackwardKernel {
  const std::int32_t* tokens;
  std::int64_t count;
  kokkos::RowsReader dy;
  std::int64_t vocab_begin;
  std::int64_t vocab_rows;
  float* dtable;
  std::int64_t row_stride;

  KOKKOS_INLINE_FUNCTION void operator()(std::int64_t column) const {
    for (std::int64_t token = 0; token < count; ++token) {
      const std::int64_t to = tokens[token] - vocab_begin;
      if (to >= 0 && to < vocab_rows) {
        dtable[to * row_stride + column] += dy(token, column);
      }
    }
  }
};

class KokkosEmbedding final : public Embedding {
  void run_forward(const EmbeddingForward& pass) override {
    kokkos::for_each_element("ringworld::embedding::forward", pass.y.rows, pass.y.columns,
                             ForwardKernel{.tokens = pass.tokens.data(),
                                           .table = pass.table,
                                           .vocab_begin = pass.vocab_begin,
                                           .vocab_rows = pass.table.rows,
                                           .y = pass.y});
  }

  void run_backward(const EmbeddingBackward& pass) override {
    kokkos::for_each("ringworld::embedding::backward", pass.dy.columns,
                     BackwardKernel{.tokens = pass.tokens.data(),
                                    .count = std::ssize(pass.tokens),
                                    .dy = pass.dy,
                                    .vocab_begin = pass.vocab_begin,
                                    .vocab_rows = pass.dtable.shape[0],
                                    .dtable = pass.dtable.data,
                                    .row_stride = pass.dtable.strides[0]});
  }
};

}  // namespace

std::unique_ptr<Embedding> make_kokkos_embedding(const KernelOptions& /*options*/) {
  return std::make_unique<KokkosEmbedding>();
}

}  // namespace ringworld
