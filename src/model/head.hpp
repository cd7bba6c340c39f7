#pragma once
/// @file  The heads: logits, loss and its gradients, a chunk of tokens at a time. Each part of the vocabulary has a
/// head.
/// Shapes: rows B * T of this rank, C hidden_size, V rows of all heads on this tp rank; A rows with a target.
///
/// Tokens without a target cost no logits: those that have one are listed by the host, part by part of the vocabulary,
/// and gathered into dense chunks first. A chunk holds targets of one part: it is multiplied with the slice of the
/// weights which is that part's head, and normalised over the tokens of that part.
///
///   list      rows with a text target, padding | rows with a vision target, padding
///   weights   text tokens of this tp rank      | vision tokens of this tp rank           (V, C)
///
/// Results for the host are downloaded in one copy after the last chunk:
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
  VocabularySlices vocabulary;  ///< of this tp rank
  DType dtype = DType::float32;
  std::int64_t chunk = 1024;
  bool is_forward_only = false;
};

/// One rank's tokens. `targets` and `weights` are host memory, the rest is what kernels read.
struct HeadPass {
  ConstRowsView hidden;                   ///< (rows, C), after the last norm
  const void* weight = nullptr;           ///< (V, C), in the type of the activations
  std::span<const std::int32_t> targets;  ///< (rows), global ids; negative: none
  std::span<const float> weights;         ///< (rows)
  bool wants_likeliest = false;
  RowsView dhidden;          ///< (rows, C), overwritten; null: forward only
  float* dweight = nullptr;  ///< added to
};

/// Results of a pass for the host: (rows), host memory, overwritten; an empty span is not filled in.
struct HeadScores {
  std::span<float> nll;
  std::span<std::int32_t> likeliest;  ///< only after a pass that wanted it
};

/// Rows of the buffers for one chunk: chunks are padded, so that few shapes of products need preparing.
[[nodiscard]] std::int64_t head_chunk_rows(std::int64_t chunk, std::int64_t rows);
/// Capacity of the lists of rows with a target, and of their results. The list of each part of the vocabulary is padded
/// separately.
[[nodiscard]] std::int64_t head_list_rows(std::int64_t rows, std::int64_t parts);

class Head {
 public:
  /// `compute` must outlive this.
  Head(const HeadOptions& options, Compute& compute, Communicator tp);

  /// Enqueues loss and gradients. Collective over tp.
  /// @throws Error(bad_input) naming the first target that is not in the vocabulary.
  void start(const HeadPass& pass);
  /// Waits for the pass that was started last, not for what was enqueued after it. Collective over tp.
  /// @return the sum of weight * nll of this rank's tokens.
  double finish(const HeadScores& scores);

  /// logits = hidden W^T for rows of this rank and the tokens that this tp rank holds. Blocks.
  /// @param logits  host memory, (rows of hidden, tokens of the whole vocabulary), last extent dense; the columns of
  /// this rank's tokens are overwritten
  void project(const ConstRowsView& hidden, const void* weight, const TensorView<float, 2>& logits);

  [[nodiscard]] std::int64_t bytes() const;

 private:
  /// Rows with a target of one part, `begin <= i < begin + count` of their list, dense.
  struct Chunk {
    const PartSlice* slice = nullptr;
    std::int64_t begin = 0;
    std::int64_t count = 0;
    std::int64_t padded = 0;  // rows of the product: the gathered rows are padded with rows of zeros
    bool is_in_place = false;
    ConstRowsView hidden;
    RowsView dhidden;
  };
  /// Operands of the loss kernels for one chunk: `padded` elements each.
  struct ChunkLoss {
    TensorView<float, 2> logits;
    std::span<const std::int32_t> targets;
    std::span<const float> weights;
    std::span<float> nll;
  };

  /// Where a part's rows lie in the list.
  struct ListedPart {
    std::int64_t begin = 0;
    std::int64_t count = 0;
  };

  /// The slice of the weights that is the head of one part.
  [[nodiscard]] const void* weights_of(const PartSlice& slice, const void* weight) const;
  void list_active(const HeadPass& pass);
  /// Gathers the rows of a chunk whose slice, begin and count are given.
  void gather(const HeadPass& pass, Chunk& chunk);
  void run_chunk(const HeadPass& pass, const Chunk& chunk);
  void find_likeliest(const Chunk& chunk, const TensorView<const float, 2>& logits);
  void run_whole(const ChunkLoss& loss, bool has_gradient);
  void run_sharded(const Chunk& chunk, const ChunkLoss& loss, bool has_gradient);
  void propagate(const Chunk& chunk, const TensorView<float, 2>& dlogits, const HeadPass& pass);
  /// The chunk's sums over shards, in the order of `run_sharded`.
  [[nodiscard]] static std::span<float> sums_of(std::span<float> all, const Chunk& chunk) {
    return all.subspan(static_cast<std::size_t>(2 * chunk.begin), static_cast<std::size_t>(2 * chunk.padded));
  }
  void find_shards_nll();
  /// Global ids of the whole list; values in the padding are unspecified.
  [[nodiscard]] std::vector<std::int64_t> likeliest_tokens();

  HeadOptions options_;
  Compute& compute_;
  Linear linear_;
  Communicator tp_;
  HostAccess access_;  // to logits
  std::unique_ptr<CrossEntropy> loss_;
  // Of the pass that was started last.
  std::vector<ListedPart> listed_;  // of each part
  std::int64_t list_end_ = 0;       // A and the padding of each part
  std::vector<Chunk> chunks_;
  bool has_likeliest_ = false;
  // The list: A elements and the padding of each part, where row and target are -1. Targets count from their part's
  // first.
  DualArray<std::int32_t> rows_;
  DualArray<std::int32_t> targets_;
  DualArray<float> weights_;
  DualArray<float> nll_;
  DualArray<std::int32_t> likeliest_;  // column of the part's slice
  DualArray<float> largest_;           // its logit
  DualArray<float> shard_maximum_;     // tp: largest logit over all slices
  DualArray<float> shard_sums_;        // tp: of each chunk the sums of exponentials, then the logits of the targets
  Buffer logits_;                      // (chunk, largest part of V)
  Buffer rounded_;                     // bf16: the same, gradients of logits
  Buffer hidden_;                      // (chunk, C)
  Buffer dhidden_;                     // (chunk, C)
  Buffer tp_scratch_;                  // tp, bf16: (chunk, C)
};

}  // namespace ringworld
