#pragma once
/// @file  A block kernel that errs on purpose: what a broken exchange, mask or kernel would do to one rank. It errs
/// with the blocks of two given ranks, whenever a schedule comes to them.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "kernels/attention/attention.hpp"
#include "sequence/plan.hpp"
#include "sequence/sequence_attention.hpp"
#include "sequence/visibility.hpp"

namespace ringworld::test {

enum class Fault : std::uint8_t {
  none,
  block_missing,
  sixteen_keys_missing,
  key_missing,
  last_key_missing,
  block_twice,
  stale_block,
  values_of_another_block,
  heads_swapped,
  value_off_by_one,
  key_bit_flipped,
  mask_off_by_one,
  no_rescaling,
  exchanged_heads_swapped,
  exchanged_piece_stale,
  gradient_block_missing,
  gradient_key_missing,
  gradient_lost,
  gradient_twice,
  gradient_to_neighbour,
  exchanged_gradients_swapped,
};
inline constexpr int fault_count = 21;

[[nodiscard]] constexpr std::string_view name_of(Fault fault) {
  constexpr std::array<std::string_view, fault_count> names{"none",
                                                            "block_missing",
                                                            "sixteen_keys_missing",
                                                            "key_missing",
                                                            "last_key_missing",
                                                            "block_twice",
                                                            "stale_block",
                                                            "values_of_another_block",
                                                            "heads_swapped",
                                                            "value_off_by_one",
                                                            "key_bit_flipped",
                                                            "mask_off_by_one",
                                                            "no_rescaling",
                                                            "exchanged_heads_swapped",
                                                            "exchanged_piece_stale",
                                                            "gradient_block_missing",
                                                            "gradient_key_missing",
                                                            "gradient_lost",
                                                            "gradient_twice",
                                                            "gradient_to_neighbour",
                                                            "exchanged_gradients_swapped"};
  return names[static_cast<std::size_t>(fault)];
}

[[nodiscard]] constexpr bool is_of_backward(Fault fault) { return fault >= Fault::gradient_block_missing; }

/// What an exchange of heads does wrong; the others are about blocks.
[[nodiscard]] constexpr bool is_of_exchange(Fault fault) {
  return fault == Fault::exchanged_heads_swapped || fault == Fault::exchanged_piece_stale ||
         fault == Fault::exchanged_gradients_swapped;
}

/// What errs, and with which block. Ranks are those of the schedule: of an exchange of heads, of one ring.
struct FaultPlan {
  Fault fault = Fault::none;
  int queries_of = 0;
  int keys_of = 0;
  std::int64_t calls = 0;      ///< of the kernel with the queries of the one and the keys of the other, in a pass
  bool do_keys_travel = true;  ///< in the pass that errs; else queries
  std::int64_t exchanged = 0;  ///< tokens that come from the first neighbour, where heads are exchanged
};

/// The block that the kernel is about to be called with.
struct BlockAtHand {
  int queries_of = none;
  int keys_of = none;
  std::int64_t first_query = 0;  ///< in its piece
  std::int64_t first_key = 0;
};

/// Host memory only.
class FaultyAttention : public BlockAttention {
 public:
  FaultyAttention(std::unique_ptr<BlockAttention> kernel, const FaultPlan& plan,
                  std::shared_ptr<const BlockAtHand> at_hand)
      : BlockAttention(kernel->head_size()), kernel_(std::move(kernel)), plan_(plan), at_hand_(std::move(at_hand)) {}

  [[nodiscard]] std::int64_t workspace_bytes() const override { return kernel_->workspace_bytes(); }

 private:
  void run_reset(const AttentionState& state) override { kernel_->reset(state); }

  bool run_accumulate(const ForwardBlock& block, const AttentionState& state, const ActivationView& out,
                      const Progress& progress) override {
    // The state is what faults change: the result is written when they have done so.
    const bool has_ended = accumulate_wrongly(block, state, progress);
    if (has_ended && !out.is_null()) {
      kernel_->finalize(state, out);
    }
    return has_ended;
  }

  void run_merge(const AttentionState& from, const AttentionState& into) override {
    // Either side may be the one whose sums have to shrink.
    overlook_maximum(from, into, [&] { kernel_->merge(from, into); });
  }

  void run_rescale(const TensorView<const float, 3>& maximum, const AttentionState& state) override {
    overlook_maximum({}, state, [&] { kernel_->rescale(maximum, state); });
  }

  void run_finalize(const AttentionState& state, const ActivationView& out) override { kernel_->finalize(state, out); }

  void run_output_dot_gradient(const ConstActivationView& out, const ConstActivationView& dout,
                               const TensorView<float, 3>& delta) override {
    kernel_->output_dot_gradient(out, dout, delta);
  }

  bool run_backward(const BackwardBlock& block, const BlockGradients& to, const Progress& progress) override {
    // What is lost must not leave what the memory held before.
    clear_overwritten_keys(to);
    BlockGradients gradients = to;
    gradients.overwrites_keys = false;
    const Hit hit = look(true);
    switch (plan_.fault) {
      case Fault::gradient_block_missing:
        return hit.is_one || kernel_->backward(block, gradients, progress);
      case Fault::gradient_key_missing:
        return hit.is_first ? backward_without_first_key(block, gradients, progress)
                            : kernel_->backward(block, gradients, progress);
      case Fault::gradient_lost:
        return kernel_->backward(block, hit.is_one ? travelling_apart(gradients) : gradients, progress);
      case Fault::gradient_twice:
        if (hit.is_one) {
          kernel_->backward(block, staying_apart(gradients), progress);
        }
        return kernel_->backward(block, gradients, progress);
      case Fault::gradient_to_neighbour:
        // To the block that comes next; there may be none.
        if (hit.is_one) {
          is_kept_ = true;
          return kernel_->backward(block, travelling_apart(gradients), progress);
        }
        if (std::exchange(is_kept_, false)) {
          deliver(gradients);
        }
        return kernel_->backward(block, gradients, progress);
      case Fault::exchanged_gradients_swapped:
        return at_hand_->queries_of == plan_.queries_of ? backward_to_wrong_heads(block, gradients, progress)
                                                        : kernel_->backward(block, gradients, progress);
      default:
        return kernel_->backward(block, gradients, progress);
    }
  }

  /// Whether the call at hand is one with the block that errs.
  struct Hit {
    bool is_one = false;
    bool is_first = false;  ///< of the pass
    bool is_last = false;
  };
  Hit look(bool of_backward) {
    if (is_of_backward(plan_.fault) != of_backward || at_hand_->queries_of != plan_.queries_of ||
        at_hand_->keys_of != plan_.keys_of) {
      return {};
    }
    const std::int64_t call = hits_++ % plan_.calls;
    return {.is_one = true, .is_first = call == 0, .is_last = call + 1 == plan_.calls};
  }

  bool accumulate_wrongly(const ForwardBlock& block, const AttentionState& state, const Progress& progress) {
    const Hit hit = look(false);
    ForwardBlock changed = block;
    const std::int64_t keys = block.k.tokens();
    switch (hit.is_one ? plan_.fault : Fault::none) {
      case Fault::block_missing:
        return true;
      case Fault::sixteen_keys_missing:
        changed = hit.is_first ? without_first(block, std::min<std::int64_t>(16, keys)) : block;
        break;
      case Fault::key_missing:
        changed = hit.is_first ? without_first(block, 1) : block;
        break;
      case Fault::last_key_missing:
        if (hit.is_last) {
          // The last that some query sees: no result depends on those behind it.
          const std::int64_t last = std::min(keys - 1, block.q.tokens() - 1 + block.mask.diagonal);
          changed.k = block.k.token_range(0, last);
          changed.v = block.v.token_range(0, last);
        }
        break;
      case Fault::block_twice:
        kernel_->accumulate(block, state, progress);
        break;
      case Fault::mask_off_by_one:
        changed.mask.diagonal += 1;
        break;
      case Fault::stale_block:
        if (plan_.do_keys_travel) {
          changed.k = overwritten(block.k, k_before_, k_);
          changed.v = overwritten(block.v, v_before_, v_);
        } else {
          changed.q = overwritten(block.q, q_before_, q_);
        }
        break;
      case Fault::values_of_another_block:
        changed.k = to_float(block.k, k_);
        changed.v = overwritten(block.v, v_before_, v_);
        break;
      case Fault::heads_swapped:
        changed.k = to_float(block.k, k_);
        changed.v = to_float(block.v, v_);
        swap_first_heads(k_, block.k);
        swap_first_heads(v_, block.v);
        break;
      case Fault::value_off_by_one:
        if (hit.is_first) {
          changed.k = to_float(block.k, k_);
          changed.v = to_float(block.v, v_);
          v_.front() += 1;
        }
        break;
      case Fault::key_bit_flipped:
        if (hit.is_first) {
          changed.k = to_float(block.k, k_);
          changed.v = to_float(block.v, v_);
          k_.front() = -k_.front();
        }
        break;
      default:
        break;
    }
    if (plan_.fault == Fault::exchanged_heads_swapped && at_hand_->queries_of == plan_.queries_of) {
      changed.q = to_float(block.q, q_);
      swap_exchanged_heads(q_.data(), block.q.shape, at_hand_->first_query);
    }
    if (plan_.fault == Fault::exchanged_piece_stale && at_hand_->keys_of == plan_.queries_of) {
      changed.k = to_float(block.k, k_);
      changed.v = to_float(block.v, v_);
      repeat_second_piece(k_, block.k);
      repeat_second_piece(v_, block.v);
    }
    if (!hit.is_one && (plan_.fault == Fault::stale_block || plan_.fault == Fault::values_of_another_block)) {
      to_float(block.q, q_before_);
      to_float(block.k, k_before_);
      to_float(block.v, v_before_);
    }
    if (changed.k.tokens() == 0) {
      return true;
    }
    bool has_ended = false;
    overlook_maximum({}, state, [&] { has_ended = kernel_->accumulate(changed, state, progress); });
    return has_ended;
  }

  static ForwardBlock without_first(ForwardBlock block, std::int64_t count) {
    block.k = block.k.token_range(count, block.k.tokens() - count);
    block.v = block.v.token_range(count, block.v.tokens() - count);
    block.mask.diagonal -= count;
    return block;
  }

  bool backward_without_first_key(BackwardBlock block, BlockGradients gradients, const Progress& progress) {
    const std::int64_t count = block.k.tokens() - 1;
    if (count == 0) {
      return true;
    }
    block.k = block.k.token_range(1, count);
    block.v = block.v.token_range(1, count);
    block.mask.diagonal -= 1;
    gradients.dk = gradients.dk.slice(1, 1, count);
    gradients.dv = gradients.dv.slice(1, 1, count);
    return kernel_->backward(block, gradients, progress);
  }

  /// A copy of a block's part, in a type that can hold any change.
  static ConstActivationView to_float(const ConstActivationView& view, std::vector<float>& memory) {
    memory.resize(static_cast<std::size_t>(view.size()));
    std::size_t next = 0;
    with_type(view.dtype, [&](auto type) {
      const auto from = view.as<decltype(type)>();
      for (std::int64_t b = 0; b < view.batch(); ++b) {
        for (std::int64_t t = 0; t < view.tokens(); ++t) {
          for (std::int64_t h = 0; h < view.heads(); ++h) {
            for (std::int64_t d = 0; d < view.head_size(); ++d) {
              memory[next++] = static_cast<float>(from(b, t, h, d));
            }
          }
        }
      }
    });
    return {memory.data(), DType::float32, view.shape};
  }

  static void swap_first_heads(std::vector<float>& memory, const ConstActivationView& view) {
    const std::int64_t size = view.head_size();
    for (std::int64_t token = 0; token < view.batch() * view.tokens(); ++token) {
      float* first = memory.data() + token * view.heads() * size;
      std::swap_ranges(first, first + size, first + size);
    }
  }

  /// A block of which as many numbers as there are come from what was there before: zeros, where nothing was.
  static ConstActivationView overwritten(const ConstActivationView& view, const std::vector<float>& before,
                                         std::vector<float>& memory) {
    const ConstActivationView changed = to_float(view, memory);
    for (std::size_t index = 0; index < memory.size(); ++index) {
      memory[index] = before.empty() ? 0.0F : index < before.size() ? before[index] : memory[index];
    }
    return changed;
  }

  /// The first head and the last change places, for the tokens that came from the first neighbour.
  /// @param first  of the tokens, in the piece
  void swap_exchanged_heads(float* numbers, const std::array<std::int64_t, 4>& shape, std::int64_t first) const {
    const auto [batch, tokens, heads, size] = shape;
    const std::int64_t last = std::min(tokens, plan_.exchanged - first);
    for (std::int64_t sequence = 0; sequence < batch; ++sequence) {
      for (std::int64_t token = 0; token < last; ++token) {
        float* const row = numbers + (sequence * tokens + token) * heads * size;
        std::swap_ranges(row, row + size, row + (heads - 1) * size);
      }
    }
  }

  /// In the place of what came from the first neighbour stands, once more, what came from the second.
  void repeat_second_piece(std::vector<float>& memory, const ConstActivationView& view) const {
    const std::int64_t row = view.heads() * view.head_size();
    for (std::int64_t sequence = 0; sequence < view.batch(); ++sequence) {
      for (std::int64_t token = 0; token < plan_.exchanged - at_hand_->first_key; ++token) {
        if (token + plan_.exchanged < view.tokens()) {
          float* const to = memory.data() + (sequence * view.tokens() + token) * row;
          std::copy_n(to + plan_.exchanged * row, row, to);
        }
      }
    }
  }

  bool backward_to_wrong_heads(const BackwardBlock& block, const BlockGradients& to, const Progress& progress) {
    BlockGradients gradients = to;
    gradients.dq = zeros_like(to.dq, dq_);
    const bool has_ended = kernel_->backward(block, gradients, progress);
    swap_exchanged_heads(dq_.data(), to.dq.shape, at_hand_->first_query);
    add(gradients.dq, to.dq);
    return has_ended;
  }

  /// Zeros in the place of one gradient, which is as good as losing what is added to them.
  static TensorView<float, 4> zeros_like(const TensorView<float, 4>& view, std::vector<float>& memory) {
    memory.assign(static_cast<std::size_t>(view.size()), 0.0F);
    return {memory.data(), view.shape};
  }

  BlockGradients travelling_apart(BlockGradients gradients) {
    if (plan_.do_keys_travel) {
      gradients.dk = dk_view_ = zeros_like(gradients.dk, dk_);
      gradients.dv = dv_view_ = zeros_like(gradients.dv, dv_);
    } else {
      gradients.dq = dq_view_ = zeros_like(gradients.dq, dq_);
    }
    return gradients;
  }

  BlockGradients staying_apart(BlockGradients gradients) {
    if (plan_.do_keys_travel) {
      gradients.dq = zeros_like(gradients.dq, dq_);
    } else {
      gradients.dk = zeros_like(gradients.dk, dk_);
      gradients.dv = zeros_like(gradients.dv, dv_);
    }
    return gradients;
  }

  static void add(const TensorView<float, 4>& from, const TensorView<float, 4>& to) {
    for (std::int64_t b = 0; b < to.shape[0]; ++b) {
      for (std::int64_t t = 0; t < std::min(from.shape[1], to.shape[1]); ++t) {
        for (std::int64_t h = 0; h < std::min(from.shape[2], to.shape[2]); ++h) {
          for (std::int64_t d = 0; d < to.shape[3]; ++d) {
            to(b, t, h, d) += from(b, t, h, d);
          }
        }
      }
    }
  }

  void deliver(const BlockGradients& gradients) const {
    if (plan_.do_keys_travel) {
      add(dk_view_, gradients.dk);
      add(dv_view_, gradients.dv);
    } else {
      add(dq_view_, gradients.dq);
    }
  }

  /// Runs `change`, which may meet another maximum, and errs if that is the fault: as if it had been overlooked. Sums
  /// that vanished beside the larger maximum cannot come back: at least one key of weight 1 does.
  /// @param from  what is merged into `state`; null tensors where nothing is
  template <class Change>
  void overlook_maximum(const AttentionState& from, const AttentionState& state, const Change& change) {
    if (plan_.fault != Fault::no_rescaling) {
      change();
      return;
    }
    maxima_.clear();
    for_each_row(state,
                 [&](std::int64_t b, std::int64_t h, std::int64_t t) { maxima_.push_back(state.maximum(b, h, t)); });
    change();
    std::size_t next = 0;
    for_each_row(state, [&](std::int64_t b, std::int64_t h, std::int64_t t) {
      const float before = maxima_[next++];
      const float other = from.maximum.is_null() ? state.maximum(b, h, t) : from.maximum(b, h, t);
      if (std::isfinite(before) && std::isfinite(other) && other != before) {
        state.sum(b, h, t) += 1;
      }
    });
  }

  template <class Function>
  static void for_each_row(const AttentionState& state, Function&& function) {
    for (std::int64_t b = 0; b < state.sum.shape[0]; ++b) {
      for (std::int64_t h = 0; h < state.sum.shape[1]; ++h) {
        for (std::int64_t t = 0; t < state.sum.shape[2]; ++t) {
          function(b, h, t);
        }
      }
    }
  }

  std::unique_ptr<BlockAttention> kernel_;
  FaultPlan plan_;
  std::shared_ptr<const BlockAtHand> at_hand_;
  std::int64_t hits_ = 0;  // calls with the block that errs, in all passes of the kind that does
  bool is_kept_ = false;   // whether gradients wait for the next block
  std::vector<float> q_, k_, v_, q_before_, k_before_, v_before_, dq_, dk_, dv_, maxima_;
  TensorView<float, 4> dq_view_, dk_view_, dv_view_;
};

/// Makes the attention of these options err on this rank.
inline void put_fault(SequenceAttentionOptions& options, const FaultPlan& plan) {
  const auto at_hand = std::make_shared<BlockAtHand>();
  options.on_block = [at_hand](const BlockTask& task, const BlockPair& pair) {
    *at_hand = {.queries_of = task.queries.origin,
                .keys_of = task.keys.origin,
                .first_query = pair.queries.token_local,
                .first_key = pair.keys.token_local};
  };
  options.make_kernel = [plan, at_hand](Backend backend, const BlockAttentionOptions& kernel) {
    return std::make_unique<FaultyAttention>(make_block_attention(backend, kernel), plan, at_hand);
  };
}

}  // namespace ringworld::test
