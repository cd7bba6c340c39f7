#pragma once
/// @file  The head: logits, loss and its gradients, a chunk of tokens at a time.
/// Shapes: rows B * T of this rank, C hidden_size, V vocab_size, of which this tp rank has a slice.
///
/// Tokens without a target cost no logits: those that have one are gathered into dense chunks first.

#include <functional>
#include <memory>
#include <vector>

#include "comm/communicator.hpp"
#include "device/buffer.hpp"
#include "kernels/loss/loss.hpp"
#include "model/linear.hpp"
#include "model/parameter_layout.hpp"

namespace ringworld {

struct HeadOptions {
  std::int64_t rows = 0;  ///< B * T
  std::int64_t hidden_size = 0;
  std::int64_t vocab_size = 0;  ///< V
  TensorSlice vocabulary;       ///< of this tp rank
  DType dtype = DType::float32;
  Backend backend = Backend::host;
  std::int64_t chunk = 1024;
  bool is_forward_only = false;
};

/// One rank's tokens; all spans are (rows).
struct HeadPass {
  ConstRowsView hidden;          ///< (rows, C), after the last norm
  const void* weight = nullptr;  ///< (V of this rank, C), in the type of the activations
  std::span<const std::int32_t> targets;
  std::span<const float> weights;
  std::span<float> nll;               ///< overwritten; empty: not wanted
  std::span<std::int32_t> likeliest;  ///< overwritten; empty: not wanted
  RowsView dhidden;                   ///< (rows, C), overwritten; null: forward only
  float* dweight = nullptr;           ///< added to
};

/// Rows of the buffers for one chunk: chunks are padded, so that few shapes of products need preparing.
[[nodiscard]] std::int64_t head_chunk_rows(std::int64_t chunk, std::int64_t rows);

class Head {
 public:
  Head(const HeadOptions& options, Matmul& matmul, Communicator tp, std::function<void()> progress);

  /// @return the sum of weight * nll of this rank's tokens. Collective over tp.
  /// @throws Error(bad_input) naming the first target that is not below V.
  double run(const HeadPass& pass);

  /// logits = hidden W^T for rows of this rank, this rank's slice of the vocabulary, fp32.
  void project(const ConstRowsView& hidden, const void* weight, const TensorView<float, 2>& logits);

  [[nodiscard]] std::int64_t bytes() const;

 private:
  /// The rows of one chunk, dense.
  struct Chunk {
    std::span<const std::int64_t> rows;  // of this rank's tokens
    ConstRowsView hidden;                // padded with rows of zeros
    RowsView dhidden;
    bool is_in_place = false;
    std::vector<std::int32_t> targets;
    std::vector<float> weights;
    std::vector<float> nll;
  };

  void list_active(const HeadPass& pass);
  Chunk gather(const HeadPass& pass, std::size_t begin, std::size_t count);
  void find_likeliest(const Chunk& chunk, const TensorView<const float, 2>& logits, const HeadPass& pass);
  void run_whole(Chunk& chunk, const TensorView<float, 2>& logits, bool has_gradient);
  void run_sharded(Chunk& chunk, const TensorView<float, 2>& logits, bool has_gradient);
  void propagate(const Chunk& chunk, const TensorView<float, 2>& dlogits, const HeadPass& pass);

  HeadOptions options_;
  Linear linear_;
  Communicator tp_;
  std::function<void()> progress_;
  std::unique_ptr<CrossEntropy> loss_;
  std::vector<std::int64_t> active_;  // rows with a target
  Buffer logits_;                     // (chunk, V)
  Buffer rounded_;                    // bf16: (chunk, V), gradients of logits
  Buffer hidden_;                     // (chunk, C)
  Buffer dhidden_;                    // (chunk, C)
  Buffer tp_scratch_;
};

}  // namespace ringworld
