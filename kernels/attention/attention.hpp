#pragma once
/// @file  Block attention: the contract that every backend keeps.
/// Source: Liu, Zaharia, Abbeel, "Ring Attention with Blockwise Transformers for Near-Infinite Context",
/// arXiv:2310.01889, section 3; running softmax after Milakov, Gimelshein, arXiv:1805.02867; backward pass after
/// Dao, "FlashAttention-2", arXiv:2307.08691, algorithm 2.
/// Shapes: B batch, Tq / Tk query / key tokens of this block, H query heads, Hkv key/value heads, D head size;
/// row major, last index fastest. Query head h reads key/value head h / (H / Hkv).
///
///            keys of one block (Tk)                     state, one row a query and head (fp32)
///          +-----------------------+        accumulate    maximum  m = max(m, max_j s_ij)
///  queries | s_ij = scale * q_i.k_j| ------------------>  sum      l = l e^(m_old-m) + sum_j e^(s_ij-m)
///   (Tq)   | -inf where not visible|                      output   o = o e^(m_old-m) + sum_j e^(s_ij-m) v_j
///          +-----------------------+        last block,   out = o / l
///                                           or finalize
///                                           backward      p_ij = e^(s_ij - m) / l
///
/// The state is folded block after block, so a ring never holds more than one. A row that has seen no key is a
/// legal state (m = -inf, l = 0) and ends as out = 0, with zero gradients and no NaN. Its o is not read and need not be
/// written: memory of any content will do.
///
/// The backward pass takes m and l as the forward pass left them, not their log-sum-exp m + log l: rounded to fp32,
/// that number loses l where scores are large, and the weights of a row would no longer add up to one. Both passes
/// compute a score by the same sequence of roundings, so that s - m is the same number in both. Where it is not,
/// because an operand was rounded on its way between the passes, a score may come out above m; one that does by more
/// than `largest_score_excess` is refused: its weight is NaN, and with it the gradients of its query and key.
///
/// What a mask hides is absent: no bit of a hidden token reaches a sum of another token, NaN and infinity included. A
/// token that is seen and not finite makes the results of the tokens that see it NaN or infinite.

#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <memory>

#include "core/tensor_view.hpp"
#include "device/backend.hpp"
#include "kernels/contract/kernel.hpp"

namespace ringworld {

/// The head sizes that kernels are compiled for. Any multiple of `head_size_step` up to the largest runs on every
/// backend, on the next larger of these where a backend has one kernel a size, with columns of zeros.
inline constexpr std::array<std::int64_t, 8> compiled_head_sizes{16, 32, 64, 80, 96, 100, 128, 256};
inline constexpr std::int64_t head_size_step = 8;

/// @throws Error(bad_input) naming the nearest head sizes that `backend` takes. Backend::reference takes all.
void require_head_size(Backend backend, std::int64_t head_size);

/// How far a score of the backward pass may lie above the maximum that the forward pass found.
inline constexpr float largest_score_excess = 1.0F;

/// Which keys of a block a query sees: all, unless the diagonal or the documents say otherwise.
///
/// With equal token strides of queries and keys every sequence layout reduces to one integer: key j of the block is
/// visible to query i of the block iff j <= i + diagonal.
struct BlockMask {
  bool is_causal = false;
  std::int64_t diagonal = 0;
  /// Document of each query (B, Tq) and key (B, Tk); both null when there are no documents. A query sees the keys
  /// of its own document only. A negative id is padding: it sees nothing and nothing sees it.
  TensorView<const std::int32_t, 2> query_document_ids;
  TensorView<const std::int32_t, 2> key_document_ids;

  [[nodiscard]] bool has_documents() const { return !query_document_ids.is_null(); }
};

/// One block of the forward pass.
struct ForwardBlock {
  ConstActivationView q;  ///< (B, Tq, H, D), unscaled
  ConstActivationView k;  ///< (B, Tk, Hkv, D)
  ConstActivationView v;  ///< (B, Tk, Hkv, D), same type as k; k may differ in type from q
  BlockMask mask;
};

/// The running softmax of the queries, always fp32. After the last block, maximum and sum are what `backward` needs.
struct AttentionState {
  TensorView<float, 3> maximum;  ///< (B, H, Tq), of the scaled scores; -inf before the first visible key
  TensorView<float, 3> sum;      ///< (B, H, Tq), of exp(score - maximum)
  TensorView<float, 4> output;   ///< (B, H, Tq, D), not yet divided by the sum; unspecified where the maximum is -inf

  /// The state of queries `begin <= i < begin + count`.
  [[nodiscard]] AttentionState token_range(std::int64_t begin, std::int64_t count) const {
    return {maximum.slice(2, begin, count), sum.slice(2, begin, count), output.slice(2, begin, count)};
  }
  /// The state of heads `begin <= h < begin + count`.
  [[nodiscard]] AttentionState head_range(std::int64_t begin, std::int64_t count) const {
    return {maximum.slice(1, begin, count), sum.slice(1, begin, count), output.slice(1, begin, count)};
  }
};

/// One block of the backward pass.
struct BackwardBlock {
  ConstActivationView q;               ///< (B, Tq, H, D)
  ConstActivationView k;               ///< (B, Tk, Hkv, D)
  ConstActivationView v;               ///< (B, Tk, Hkv, D)
  ConstActivationView dout;            ///< (B, Tq, H, D)
  TensorView<const float, 3> maximum;  ///< (B, H, Tq), of the scaled scores of all keys of the sequence
  TensorView<const float, 3> sum;      ///< (B, H, Tq), of exp(score - maximum) over them
  TensorView<const float, 3> delta;    ///< (B, H, Tq), sum over D of out * dout
  BlockMask mask;
};

/// Sums that `backward` adds into, fp32.
struct BlockGradients {
  TensorView<float, 4> dq;  ///< (B, Tq, H, D)
  TensorView<float, 4> dk;  ///< (B, Tk, Hkv, D)
  TensorView<float, 4> dv;  ///< (B, Tk, Hkv, D)
  /// dk and dv are uninitialised: the block's share is written, not added, with zeros for keys that no query sees. The
  /// caller need not clear them first.
  bool overwrites_keys = false;
};

struct BlockAttentionOptions {
  std::int64_t head_size = 0;
  float scale = 1.0F;  ///< applied once, to the scores, in fp32; positive, usually 1 / sqrt(D)
  int threads = 1;     ///< of Backend::host; the calling thread is one of them, and alone calls the progress function
};

/// Attention of one block of queries with one block of keys.
///
/// An object owns its scratch memory and serves one caller at a time. Every call checks that the shapes of its operands
/// fit each other and the head size (@throws Error naming the operand that does not fit), and charges its cost
/// (cost.hpp).
class BlockAttention : public Kernel {
 public:
  [[nodiscard]] std::int64_t head_size() const noexcept { return head_size_; }

  /// Initialises `state` for queries that have seen no key. Does not write its output.
  void reset(const AttentionState& state);

  /// Folds one block of keys and values into `state`.
  /// @param out  (B, Tq, H, D), overwritten: given with the last block of these queries, as `finalize` would write it.
  ///        The state's output is then unspecified. Null with every other block
  /// @return false when `progress` stopped it, and `state` and `out` are then unspecified.
  /// Cost: 4 D FLOP a visible (query, key, head), charged whole before the first tile.
  bool accumulate(const ForwardBlock& block, const AttentionState& state, const ActivationView& out,
                  const Progress& progress);
  /// A block that is not the last.
  bool accumulate(const ForwardBlock& block, const AttentionState& state, const Progress& progress) {
    return accumulate(block, state, ActivationView(), progress);
  }

  /// Folds the state that another set of keys left into `into`: the state of both sets, in either order the same up to
  /// rounding. A row whose maximum is -inf, on either side or on both, adds nothing, and its output is not read.
  /// @param from  (B, H, Tq) and (B, H, Tq, D), the same queries; overlaps `into` nowhere
  /// Cost: 3 FLOP an element of the output.
  void merge(const AttentionState& from, const AttentionState& into);

  /// Makes sum and output relative to another maximum, which `state` then has: what ranks that each hold some of the
  /// keys call before they add up their sums and outputs. A row that has seen no key becomes one of sum 0 and output 0.
  /// @param maximum  (B, H, Tq), nowhere below the state's own (unchecked)
  /// Cost: 1 FLOP an element of the output.
  void rescale(const TensorView<const float, 3>& maximum, const AttentionState& state);

  /// Divides, and writes the result of queries whose last block did not.
  /// @param out (B, Tq, H, D), overwritten
  void finalize(const AttentionState& state, const ActivationView& out);

  /// delta = sum over D of out * dout, (B, H, Tq), overwritten.
  void output_dot_gradient(const ConstActivationView& out, const ConstActivationView& dout,
                           const TensorView<float, 3>& delta);

  /// Adds this block's share to the gradients, or writes that of the keys.
  /// @return false when `progress` stopped it, and the gradients are then unspecified.
  /// Cost: 10 D FLOP a visible (query, key, head), the recomputed scores included, charged whole before the first tile.
  bool backward(const BackwardBlock& block, const BlockGradients& gradients, const Progress& progress);

  /// Scratch memory that the object holds, in bytes; does not depend on the number of tokens (four bytes a token for a
  /// copy of the document ids aside).
  [[nodiscard]] virtual std::int64_t workspace_bytes() const = 0;

 protected:
  explicit BlockAttention(std::int64_t head_size) : head_size_(head_size) {}

 private:
  // The computation of a backend; operands are checked and the cost is charged before these calls.
  virtual void run_reset(const AttentionState& state) = 0;
  virtual bool run_accumulate(const ForwardBlock& block, const AttentionState& state, const ActivationView& out,
                              const Progress& progress) = 0;
  virtual void run_merge(const AttentionState& from, const AttentionState& into) = 0;
  virtual void run_rescale(const TensorView<const float, 3>& maximum, const AttentionState& state) = 0;
  virtual void run_finalize(const AttentionState& state, const ActivationView& out) = 0;
  virtual void run_output_dot_gradient(const ConstActivationView& out, const ConstActivationView& dout,
                                       const TensorView<float, 3>& delta) = 0;
  virtual bool run_backward(const BackwardBlock& block, const BlockGradients& gradients, const Progress& progress) = 0;

  std::int64_t head_size_;
};

/// The log-sum-exp of a row's scores, natural logarithm; -inf where it has seen no key.
[[nodiscard]] inline double log_sum_exp(float maximum, float sum) {
  return static_cast<double>(maximum) + std::log(static_cast<double>(sum));
}

/// @throws Error(bad_input) when the backend does not take the head size, or was not built.
[[nodiscard]] std::unique_ptr<BlockAttention> make_block_attention(Backend backend,
                                                                   const BlockAttentionOptions& options);

/// @throws Error(bad_input) naming the option that a backend does not take.
void check_options(Backend backend, const BlockAttentionOptions& options);

/// Sets dk and dv, in memory of the host, to zero if they are to be overwritten: for a backend that only adds.
void clear_overwritten_keys(const BlockGradients& gradients);

}  // namespace ringworld
