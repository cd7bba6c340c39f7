#pragma once
/// @file  The token embedding: rows of a table, which may be one shard of the vocabulary.
/// Shapes: T tokens, C columns (hidden_size); the table holds the rows vocab_begin <= token < vocab_begin + table rows.
///
///   vocabulary  0 ....... | vocab_begin ... table ... | ...... V     a token outside of the shard reads zeros and
///                                                                    adds to nothing, so that shards' results add up

#include <cstdint>
#include <memory>
#include <span>

#include "device/backend.hpp"
#include "kernels/contract/kernel.hpp"
#include "kernels/contract/kernel_options.hpp"
#include "kernels/elementwise/rows_view.hpp"

namespace ringworld {

struct EmbeddingForward {
  std::span<const std::int32_t> tokens;  ///< (T); ids that no vocabulary has are outside of every shard
  ConstRowsView table;                   ///< (rows of the shard, C), fp32 master weights or bf16
  std::int64_t vocab_begin = 0;
  RowsView y;  ///< (T, C), overwritten; may be of another type than the table
};

struct EmbeddingBackward {
  std::span<const std::int32_t> tokens;  ///< (T)
  ConstRowsView dy;                      ///< (T, C)
  std::int64_t vocab_begin = 0;
  /// (rows of the shard, C), last extent dense; added to, the tokens of a row in their order, whatever the threads.
  TensorView<float, 2> dtable;
};

/// An object owns its scratch memory and serves one thread at a time.
class Embedding : public Kernel {
 public:
  /// @throws Error when a shape contradicts another.
  /// Cost: one pass over the rows that are read and over y.
  void forward(const EmbeddingForward& pass);
  /// Cost: one pass over dy, and over each row of dtable that a token names.
  void backward(const EmbeddingBackward& pass);

 private:
  // The computation of a backend; operands are checked and the cost is charged before these calls.
  virtual void run_forward(const EmbeddingForward& pass) = 0;
  virtual void run_backward(const EmbeddingBackward& pass) = 0;
};

/// @throws Error(bad_input) when the backend was not built.
[[nodiscard]] std::unique_ptr<Embedding> make_embedding(Backend backend, const KernelOptions& options = {});

}  // namespace ringworld
