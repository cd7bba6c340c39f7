#pragma once
/// @file  The head: logits, loss and its gradients, a chunk of tokens at a time.
/// Shapes: rows B * T of this rank, C hidden_size, V vocab_size, of which this tp rank has a slice; A rows with a target.
///
/// Tokens without a target cost no logits: those that have one are listed by the host, and gathered into dense chunks
/// first. What the host wants to know comes back at once behind the last chunk:
///
///   host     list rows, targets, weights --upload--+                 +--download-- nll, likeliest --> finish
///   device                                         +-- chunk, chunk, ... --+ backward pass of the layers ...

#include <memory>
#include <vector>

#include "comm/communicator.hpp"
#include "device/host_access.hpp"
#include "kernels/loss/loss.hpp"
#include "model/compute.hpp"
#include "model/linear.hpp"
#include "model/parameter_layout.hpp"

namespace ringworld {

struct HeadOptions {
  std::int64_t rows = 0;  ///< B * T
  std::int64_t hidden_size = 0;
  std::int64_t vocab_size = 0;  ///< V
  TensorSlice vocabulary;       ///< of this tp rank
  DType dtype = DType::float32;
  std::int64_t chunk = 1024;
  bool is_forward_only = false;
};

/// One rank's tokens. `targets` and `weights` are host memory, the rest is what kernels read.
struct HeadPass {
  ConstRowsView hidden;                   ///< (rows, C), after the last norm
  const void* weight = nullptr;           ///< (V of this rank, C), in the type of the activations
  std::span<const std::int32_t> targets;  ///< (rows), negative: none
  std::span<const float> weights;         ///< (rows)
  bool wants_likeliest = false;
  RowsView dhidden;          ///< (rows, C), overwritten; null: forward only
  float* dweight = nullptr;  ///< added to
};

/// What the host learns of a pass; both are (rows), host memory, overwritten; empty: not wanted.
struct HeadScores {
  std::span<float> nll;
  std::span<std::int32_t> likeliest;  ///< only after a pass that wanted it
};

/// Rows of the buffers for one chunk: chunks are padded, so that few shapes of products need preparing.
[[nodiscard]] std::int64_t head_chunk_rows(std::int64_t chunk, std::int64_t rows);
/// Elements of what is listed for, and learnt from, the rows with a target: whole paddings.
[[nodiscard]] std::int64_t head_list_rows(std::int64_t rows);

class Head {
 public:
  /// `compute` must outlive this.
  Head(const HeadOptions& options, Compute& compute, Communicator tp);

  /// Enqueues loss and gradients. Collective over tp.
  /// @throws Error(bad_input) naming the first target that is not below V.
  void start(const HeadPass& pass);
  /// Waits for the pass that was started last, not for what was enqueued after it. Collective over tp.
  /// @return the sum of weight * nll of this rank's tokens.
  double finish(const HeadScores& scores);

  /// logits = hidden W^T for rows of this rank and its slice of the vocabulary. Blocks.
  /// @param logits  host memory, (rows of hidden, V of this rank), last extent dense
  void project(const ConstRowsView& hidden, const void* weight, const TensorView<float, 2>& logits);

  [[nodiscard]] std::int64_t bytes() const;

 private:
  /// Rows with a target, `begin <= i < begin + count` of their list, dense.
  struct Chunk {
    std::int64_t begin = 0;
    std::int64_t count = 0;
    std::int64_t padded = 0;  // rows of the product: what was gathered is padded with rows of zeros
    bool is_in_place = false;
    ConstRowsView hidden;
    RowsView dhidden;
  };
  /// What the kernels of the loss read and write for one chunk: `padded` elements each.
  struct ChunkLoss {
    TensorView<float, 2> logits;
    std::span<const std::int32_t> targets;
    std::span<const float> weights;
    std::span<float> nll;
  };

  void list_active(const HeadPass& pass);
  [[nodiscard]] Chunk gather(const HeadPass& pass, std::int64_t begin, std::int64_t count);
  void find_likeliest(const Chunk& chunk, const TensorView<const float, 2>& logits);
  void run_whole(const ChunkLoss& loss, bool has_gradient);
  void run_sharded(const Chunk& chunk, const ChunkLoss& loss, bool has_gradient);
  void propagate(const Chunk& chunk, const TensorView<float, 2>& dlogits, const HeadPass& pass);
  /// The same of a chunk's sums over shards, as `run_sharded` has them.
  [[nodiscard]] static std::span<float> sums_of(std::span<float> all, const Chunk& chunk) {
    return all.subspan(static_cast<std::size_t>(2 * chunk.begin), static_cast<std::size_t>(2 * chunk.padded));
  }
  void find_shards_nll();
  /// Tokens of the whole vocabulary, of the rows of the list.
  [[nodiscard]] std::vector<std::int64_t> likeliest_tokens();

  HeadOptions options_;
  Compute& compute_;
  Linear linear_;
  Communicator tp_;
  HostAccess access_;  // to logits
  std::unique_ptr<CrossEntropy> loss_;
  // Of the pass that was started last.
  std::int64_t active_ = 0;  // A
  std::vector<Chunk> chunks_;
  bool has_likeliest_ = false;
  // The list: A elements and their padding, where row and target are -1.
  DualArray<std::int32_t> rows_;
  DualArray<std::int32_t> targets_;
  DualArray<float> weights_;
  DualArray<float> nll_;
  DualArray<std::int32_t> likeliest_;  // column of this rank's slice
  DualArray<float> largest_;           // its logit
  DualArray<float> shard_maximum_;     // tp: largest logit over all slices
  DualArray<float> shard_sums_;        // tp: of each chunk the sums of exponentials, then the logits of the targets
  Buffer logits_;                      // (chunk, V)
  Buffer rounded_;                     // bf16: (chunk, V), gradients of logits
  Buffer hidden_;                      // (chunk, C)
  Buffer dhidden_;                     // (chunk, C)
  Buffer tp_scratch_;                  // tp, bf16: (chunk, C)
};

}  // namespace ringworld
