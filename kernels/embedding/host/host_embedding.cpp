#include <algorithm>
#include <vector>

#include "kernels/elementwise/parallel.hpp"
#include "kernels/elementwise/row_functions.hpp"
#include "kernels/embedding/embedding.hpp"

namespace ringworld {
namespace {

class HostEmbedding final : public Embedding {
 public:
  explicit HostEmbedding(const KernelOptions& options) : threads_(options.threads) {}

 private:
  void run_forward(const EmbeddingForward& pass) override {
    with_type(pass.y.dtype, [&](auto type) { forward_typed<decltype(type)>(pass); });
  }

  void run_backward(const EmbeddingBackward& pass) override {
    sort_tokens(pass);
    with_type(pass.dy.dtype, [&](auto type) { backward_typed<decltype(type)>(pass); });
  }

  template <class T>
  void forward_typed(const EmbeddingForward& pass) {
    const auto& functions = functions_.of<T>();
    const std::int64_t columns = pass.y.columns;
    row::for_each_range(threads_, pass.y.rows, row::rows_per_range(columns), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t t = begin; t < end; ++t) {
        const std::int64_t from = pass.tokens[static_cast<std::size_t>(t)] - pass.vocab_begin;
        T* y = pass.y.row<T>(t);
        if (from < 0 || from >= pass.table.rows) {
          std::fill_n(y, columns, T{});
        } else if (pass.table.dtype == DType::float32) {
          functions.copy_float32(pass.table.row<float>(from), y, columns);
        } else {
          functions.copy_bfloat16(pass.table.row<bf16>(from), y, columns);
        }
      }
    });
  }

  /// Brings together the tokens of each row of the shard, in their order:
  ///
  ///   tokens   7 3 7 9 3      order_  1 4 | 0 2 | 3      groups_  0 2 4 5
  void sort_tokens(const EmbeddingBackward& pass) {
    order_.clear();
    for (std::int64_t t = 0; t < std::ssize(pass.tokens); ++t) {
      const std::int64_t to = pass.tokens[static_cast<std::size_t>(t)] - pass.vocab_begin;
      if (to >= 0 && to < pass.dtable.shape[0]) {
        order_.push_back(t);
      }
    }
    const auto token_of = [&](std::int64_t t) { return pass.tokens[static_cast<std::size_t>(t)]; };
    std::ranges::stable_sort(order_, {}, token_of);
    groups_.clear();
    for (std::size_t i = 0; i < order_.size(); ++i) {
      if (i == 0 || token_of(order_[i]) != token_of(order_[i - 1])) {
        groups_.push_back(i);
      }
    }
    groups_.push_back(order_.size());
  }

  template <class T>
  void backward_typed(const EmbeddingBackward& pass) {
    const auto& functions = functions_.of<T>();
    const std::int64_t columns = pass.dy.columns;
    row::for_each_range(threads_, std::ssize(groups_) - 1, row::rows_per_range(columns),
                        [&](std::int64_t begin, std::int64_t end) {
                          const std::size_t last = groups_[static_cast<std::size_t>(end)];
                          for (std::size_t i = groups_[static_cast<std::size_t>(begin)]; i < last; ++i) {
                            const std::int64_t t = order_[i];
                            const std::int64_t to = pass.tokens[static_cast<std::size_t>(t)] - pass.vocab_begin;
                            functions.add(pass.dy.row<T>(t), &pass.dtable(to, 0), columns);
                          }
                        });
  }

  int threads_;
  const row::RowFunctions& functions_ = row::row_functions(selected_isa());
  std::vector<std::int64_t> order_;  ///< tokens of the shard, sorted by row
  std::vector<std::size_t> groups_;  ///< where in `order_` each row's tokens begin, and the end
};

}  // namespace

std::unique_ptr<Embedding> make_host_embedding(const KernelOptions& options) {
  return std::make_unique<HostEmbedding>(options);
}

}  // namespace ringworld
