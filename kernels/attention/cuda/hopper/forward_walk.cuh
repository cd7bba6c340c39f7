#pragma once
/// @file  How a consumer warpgroup of the forward pass folds the keys and values that its 64 queries see.
/// Source: Shah et al., "FlashAttention-3", arXiv:2407.08608, algorithm 2 and section 3.2.
///
///   warpgroup 0       S1 O0 | softmax 1 | S2 O1 | softmax 2 |   S = Q K^T and O += P V run on the tensor cores ...
///   warpgroup 1             | S1 O0 | softmax 1 | S2 O1 |       ... while the others, whose turn it is not, do softmax
///
/// Within a warpgroup too, S of the next tile and O of the last run while the weights between them are computed: O of
/// the last tile under the softmax of this one if `overlaps` says so. That is a parameter so that a GPU can judge;
/// without it the assembler waits for O before the exponentials. Weights stay in registers: a fragment of sums, rounded
/// to bf16, is a fragment of A.
///
/// Keys are walked from the end, so that the tiles that the diagonal or the end of the keys cuts come first. These have
/// a loop of their own; the loop over whole tiles has no code for the diagonal.

#include <cstdint>

#include "device/cuda/ptx/named_barrier.cuh"
#include "device/cuda/ptx/order.cuh"
#include "kernels/attention/cuda/hopper/forward_operands.cuh"
#include "kernels/attention/cuda/hopper/online_softmax.cuh"
#include "kernels/attention/cuda/hopper/warpgroup_products.cuh"

namespace ringworld::cuda::hopper {

/// The warpgroups' turns on the tensor cores: each waits for its named barrier, and the one before it arrives there.
/// A warpgroup takes as many turns as any other.
template <int consumers>
class Turn {
 public:
  __device__ explicit Turn(int consumer) : consumer_(consumer) {}

  /// The first turn is warpgroup 0's: the last warpgroup gives it away before any turn of its own.
  __device__ void begin() const {
    if (consumer_ + 1 == consumers) {
      pass_on();
    }
  }

  __device__ void wait() const { ptx::barrier_sync(first_barrier + consumer_, threads); }
  __device__ void pass_on() const {
    ptx::barrier_arrive(first_barrier + (consumer_ + 1 == consumers ? 0 : consumer_ + 1), threads);
  }

  /// Warpgroup 0 has been given one turn more than it took. No barrier is left half full.
  __device__ void end() const {
    if (consumer_ == 0) {
      wait();
    }
  }

 private:
  static constexpr int first_barrier = 1;  // 0 is __syncthreads
  static constexpr int threads = 2 * warpgroup_threads;
  int consumer_;
};

/// Barriers from this one on are not those of turns.
template <int head_size>
inline constexpr int first_free_barrier = 1 + ForwardShape<head_size>::consumers;

/// What a consumer warpgroup keeps from one query tile to the next.
template <int head_size, bool has_documents, bool overlaps>
class ForwardWalk {
 public:
  using Tiles = ForwardTiles<head_size>;
  using Shape = ForwardShape<head_size>;

  /// @param unread  four bytes of shared memory, see compute_before_next_wait
  __device__ ForwardWalk(const ForwardArguments& arguments, ForwardOperands<head_size>& operands,
                         ptx::SharedAddress unread, int consumer)
      : arguments_(arguments),
        operands_(operands),
        unread_(unread),
        consumer_(consumer),
        own_row_(consumer * warpgroup_rows + static_cast<int>(threadIdx.x) % warpgroup_threads / 32 * 16 +
                 static_cast<int>(threadIdx.x) % 32 / 4),
        own_column_(static_cast<int>(threadIdx.x) % 4 * 2),
        turn_(consumer) {
    turn_.begin();
  }

  /// Called once, after the last tile.
  __device__ void end() const { turn_.end(); }

  [[nodiscard]] __device__ int own_column() const { return own_column_; }

  /// Where the thread's fragment lies in the state.
  [[nodiscard]] __device__ StatePlace state_place(const ForwardPlace& place) const {
    return {.b = place.b,
            .head = place.head,
            .row = place.query_begin + own_row_,
            .column = own_column_,
            .tokens = arguments_.mask.query_tokens};
  }

  /// Folds the key tiles of one query tile, at least one, into softmax and output.
  __device__ void run(const ForwardPlace& place, const TileRange& tiles, RunningSoftmax& softmax,
                      float (&output)[head_size / 2]) {
    query_begin_ = place.query_begin;
    // Tiles from this one on are not seen whole by the warpgroup's first query.
    const int cut_begin = max(tiles.begin, arguments_.mask.key_end(first_query()) / Shape::keys);
    int tile = tiles.end - 1;
    float scores[Shape::keys / 2];
    float factor[thread_rows];

    operands_.q_pipeline.wait_full(q_place_);
    operands_.k_pipeline.wait_full(k_place_);
    start_scores(scores);
    finish_product<0>(scores);
    if (tile >= cut_begin) {
      hide_beyond_diagonal(scores, tile);
    }
    hide_other_documents(scores);
    operands_.k_pipeline.release(k_place_);
    k_place_.advance();
    softmax.fold<true>(scores, arguments_.scale, factor);
    scale_rows(output, factor);
    round_to_operand(scores, weights_);

    for (--tile; tile >= cut_begin; --tile) {
      step<true>(tile, softmax, output);
    }
    for (; tile >= tiles.begin; --tile) {
      step<false>(tile, softmax, output);
    }
    operands_.q_pipeline.release(q_place_);
    q_place_.advance();
    operands_.v_pipeline.wait_full(v_place_);
    start_weighted_sum<head_size>(output, weights_, v_tile());
    finish_product<0>(output);
    operands_.v_pipeline.release(v_place_);
    v_place_.advance();
  }

 private:
  [[nodiscard]] __device__ int first_query() const { return query_begin_ + consumer_ * warpgroup_rows; }
  [[nodiscard]] __device__ typename Tiles::Keys k_tile() const {
    return {ptx::shared_address(operands_.k[k_place_.stage])};
  }
  [[nodiscard]] __device__ typename Tiles::Keys v_tile() const {
    return {ptx::shared_address(operands_.v[v_place_.stage])};
  }

  __device__ void start_scores(float (&scores)[Shape::keys / 2]) const {
    const typename Tiles::Queries q{ptx::shared_address(operands_.q)};
    start_product_of_rows<Shape::keys>(scores, q, consumer_ * warpgroup_rows, k_tile());
  }

  __device__ void hide_beyond_diagonal(float (&scores)[Shape::keys / 2], int tile) const {
    hide_keys_beyond(scores, {.row = query_begin_ + own_row_, .column = tile * Shape::keys + own_column_},
                     arguments_.mask);
  }
  __device__ void hide_other_documents(float (&scores)[Shape::keys / 2]) const {
    if constexpr (has_documents) {
      hide_strangers(scores, &operands_.query_documents[own_row_],
                     &operands_.key_documents[k_place_.stage][own_column_]);
    }
  }

  /// S of one key tile, and O of the one before it.
  /// @tparam is_cut  whether the diagonal, or the end of the keys, may hide something of the tile
  template <bool is_cut>
  __device__ void step(int tile, RunningSoftmax& softmax, float (&output)[head_size / 2]) {
    float scores[Shape::keys / 2];
    float factor[thread_rows];
    operands_.k_pipeline.wait_full(k_place_);
    turn_.wait();
    start_scores(scores);
    operands_.v_pipeline.wait_full(v_place_);
    start_weighted_sum<head_size>(output, weights_, v_tile());
    turn_.pass_on();
    finish_product<1>(scores);
    if constexpr (is_cut) {
      hide_beyond_diagonal(scores, tile);
    }
    hide_other_documents(scores);
    operands_.k_pipeline.release(k_place_);
    k_place_.advance();
    softmax.fold<is_cut || has_documents>(scores, arguments_.scale, factor);
    if constexpr (overlaps) {
      for (const float sum : softmax.sum) {
        ptx::compute_before_next_wait(sum, unread_);
      }
    }
    finish_product<0>(output);
    operands_.v_pipeline.release(v_place_);
    v_place_.advance();
    // Later tiles seldom raise a maximum: a vote in place of a multiplication by one for every output.
    if (__any_sync(all_lanes, factor[0] != 1.0F || factor[1] != 1.0F)) {
      scale_rows(output, factor);
    }
    round_to_operand(scores, weights_);
  }

  const ForwardArguments& arguments_;
  ForwardOperands<head_size>& operands_;
  ptx::SharedAddress unread_;
  int consumer_;
  int own_row_;
  int own_column_;  ///< of a key tile, and of the head: the first of the thread's two in every eight
  int query_begin_ = 0;
  Turn<Shape::consumers> turn_;
  PipelinePlace<1> q_place_;
  PipelinePlace<Shape::stages> k_place_;
  PipelinePlace<Shape::stages> v_place_;
  std::uint32_t weights_[Shape::keys / 16][4];
};

}  // namespace ringworld::cuda::hopper
