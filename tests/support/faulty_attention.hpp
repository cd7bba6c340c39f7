#pragma once
/// @file  A block kernel that errs on purpose: what a broken exchange, mask or kernel would do to one rank.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "kernels/attention/attention.hpp"

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
  gradient_block_missing,
  gradient_key_missing,
  gradient_lost,
  gradient_twice,
  gradient_to_neighbour,
};

[[nodiscard]] constexpr std::string_view name_of(Fault fault) {
  constexpr std::array<std::string_view, 18> names{"none",
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
                                                   "gradient_block_missing",
                                                   "gradient_key_missing",
                                                   "gradient_lost",
                                                   "gradient_twice",
                                                   "gradient_to_neighbour"};
  return names[static_cast<std::size_t>(fault)];
}

[[nodiscard]] constexpr bool is_of_backward(Fault fault) { return fault >= Fault::gradient_block_missing; }

/// What errs, and in which calls of a pass: those with the block of one hop.
struct FaultPlan {
  Fault fault = Fault::none;
  std::int64_t own_calls = 0;       ///< with the rank's own block: the first of the pass
  std::int64_t visiting_calls = 0;  ///< with the block after one hop: those that follow
  bool do_keys_travel = true;       ///< in the backward pass; else queries
};

/// Host memory only.
class FaultyAttention : public BlockAttention {
 public:
  FaultyAttention(std::unique_ptr<BlockAttention> kernel, const FaultPlan& plan)
      : BlockAttention(kernel->head_size()), kernel_(std::move(kernel)), plan_(plan) {}

  [[nodiscard]] std::int64_t workspace_bytes() const override { return kernel_->workspace_bytes(); }

 private:
  void run_reset(const AttentionState& state) override {
    calls_ = 0;
    kernel_->reset(state);
  }

  bool run_accumulate(const ForwardBlock& block, const AttentionState& state, const ActivationView& out,
                      const Progress& progress) override {
    // The state is what faults change: the result is written when they have done so.
    const bool has_ended = accumulate_wrongly(block, state, progress);
    if (has_ended && !out.is_null()) {
      kernel_->finalize(state, out);
    }
    return has_ended;
  }

  void run_merge(const AttentionState& from, const AttentionState& into) override { kernel_->merge(from, into); }

  void run_rescale(const TensorView<const float, 3>& maximum, const AttentionState& state) override {
    kernel_->rescale(maximum, state);
  }

  void run_finalize(const AttentionState& state, const ActivationView& out) override { kernel_->finalize(state, out); }

  void run_output_dot_gradient(const ConstActivationView& out, const ConstActivationView& dout,
                               const TensorView<float, 3>& delta) override {
    calls_ = 0;
    kernel_->output_dot_gradient(out, dout, delta);
  }

  bool run_backward(const BackwardBlock& block, const BlockGradients& to, const Progress& progress) override {
    // What is lost must not leave what the memory held before.
    clear_overwritten_keys(to);
    BlockGradients gradients = to;
    gradients.overwrites_keys = false;
    const std::int64_t call = calls_++;
    const bool is_hit = call >= plan_.own_calls && call < plan_.own_calls + plan_.visiting_calls;
    const bool is_first_hit = is_hit && call == plan_.own_calls;
    switch (plan_.fault) {
      case Fault::gradient_block_missing:
        return is_hit || kernel_->backward(block, gradients, progress);
      case Fault::gradient_key_missing:
        return is_first_hit ? backward_without_first_key(block, gradients, progress)
                            : kernel_->backward(block, gradients, progress);
      case Fault::gradient_lost:
        return kernel_->backward(block, is_hit ? travelling_apart(gradients) : gradients, progress);
      case Fault::gradient_twice:
        if (is_hit) {
          kernel_->backward(block, staying_apart(gradients), progress);
        }
        return kernel_->backward(block, gradients, progress);
      case Fault::gradient_to_neighbour: {
        const bool is_kept = call == 0;
        const bool has_ended = kernel_->backward(block, is_kept ? travelling_apart(gradients) : gradients, progress);
        if (is_first_hit) {
          deliver(gradients);
        }
        return has_ended;
      }
      default:
        return kernel_->backward(block, gradients, progress);
    }
  }

  bool accumulate_wrongly(const ForwardBlock& block, const AttentionState& state, const Progress& progress) {
    const std::int64_t call = calls_++;
    if (call == 0) {
      own_ = block;
    }
    ForwardBlock changed = block;
    if (call == 0 && plan_.fault == Fault::mask_off_by_one) {
      changed.mask.diagonal += 1;
    }
    const bool is_hit = call >= plan_.own_calls && call < plan_.own_calls + plan_.visiting_calls;
    const bool is_first_hit = is_hit && call == plan_.own_calls;
    const std::int64_t keys = block.k.tokens();
    switch (is_hit ? plan_.fault : Fault::none) {
      case Fault::block_missing:
        return true;
      case Fault::sixteen_keys_missing:
        changed = is_first_hit ? without_first(block, std::min<std::int64_t>(16, keys)) : block;
        break;
      case Fault::key_missing:
        changed = is_first_hit ? without_first(block, 1) : block;
        break;
      case Fault::last_key_missing:
        if (call + 1 == plan_.own_calls + plan_.visiting_calls) {
          // The last that some query sees: no result depends on those behind it.
          const std::int64_t last = std::min(keys - 1, block.q.tokens() - 1 + block.mask.diagonal);
          changed.k = block.k.token_range(0, last);
          changed.v = block.v.token_range(0, last);
        }
        break;
      case Fault::block_twice:
        kernel_->accumulate(block, state, progress);
        break;
      case Fault::stale_block: {
        const std::int64_t count = std::min(keys, own_.k.tokens());
        changed.k = own_.k.token_range(0, count);
        changed.v = own_.v.token_range(0, count);
        break;
      }
      case Fault::values_of_another_block: {
        const std::int64_t count = std::min(keys, own_.k.tokens());
        changed.k = to_float(block.k.token_range(0, count), k_);
        changed.v = to_float(own_.v.token_range(0, count), v_);
        break;
      }
      case Fault::heads_swapped:
        changed.k = to_float(block.k, k_);
        changed.v = to_float(block.v, v_);
        swap_first_heads(k_, block.k);
        swap_first_heads(v_, block.v);
        break;
      case Fault::value_off_by_one:
        if (is_first_hit) {
          changed.k = to_float(block.k, k_);
          changed.v = to_float(block.v, v_);
          v_.front() += 1;
        }
        break;
      case Fault::key_bit_flipped:
        if (is_first_hit) {
          changed.k = to_float(block.k, k_);
          changed.v = to_float(block.v, v_);
          k_.front() = -k_.front();
        }
        break;
      case Fault::no_rescaling:
        keep_unscaled(state);
        break;
      default:
        break;
    }
    if (changed.k.tokens() == 0) {
      return true;
    }
    const bool has_ended = kernel_->accumulate(changed, state, progress);
    if (is_hit && plan_.fault == Fault::no_rescaling) {
      undo_rescaling(state);
    }
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
        for (std::int64_t h = 0; h < to.shape[2]; ++h) {
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

  void keep_unscaled(const AttentionState& state) {
    maxima_.clear();
    for_each_row(state,
                 [&](std::int64_t b, std::int64_t h, std::int64_t t) { maxima_.push_back(state.maximum(b, h, t)); });
  }

  /// Takes back the factor by which the kernel shrank the sums of before, as if a larger maximum had been overlooked.
  /// What vanished in it cannot come back: at least one key of weight 1 does.
  void undo_rescaling(const AttentionState& state) const {
    std::size_t next = 0;
    for_each_row(state, [&](std::int64_t b, std::int64_t h, std::int64_t t) {
      const float before = maxima_[next++];
      if (std::isfinite(before) && state.maximum(b, h, t) > before) {
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
  std::int64_t calls_ = 0;
  ForwardBlock own_;
  std::vector<float> k_, v_, dq_, dk_, dv_, maxima_;
  TensorView<float, 4> dq_view_, dk_view_, dv_view_;
};

}  // namespace ringworld::test
