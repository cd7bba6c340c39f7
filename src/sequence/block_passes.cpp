#include "sequence/block_passes.hpp"

#include <cmath>
#include <limits>

#include "core/activity.hpp"
#include "core/clock.hpp"
#include "device/device_activity.hpp"

namespace ringworld {
namespace {

std::unique_ptr<BlockAttention> make_kernel(const SequenceAttentionOptions& options) {
  const std::int64_t head_size = options.problem.head_size;
  const BlockAttentionOptions of_kernel{.head_size = head_size,
                                        .scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(head_size))),
                                        .threads = options.threads};
  return options.make_kernel ? options.make_kernel(options.backend, of_kernel)
                             : make_block_attention(options.backend, of_kernel);
}

/// The mask of a block pair, cut out of the tensors of two ranks.
BlockMask make_mask(const BlockPair& pair, bool is_causal, const TensorView<const std::int32_t, 2>& query_document_ids,
                    const TensorView<const std::int32_t, 2>& key_document_ids) {
  BlockMask mask{.is_causal = is_causal, .diagonal = pair.diagonal, .query_document_ids = {}, .key_document_ids = {}};
  if (!query_document_ids.is_null()) {
    mask.query_document_ids = query_document_ids.slice(1, pair.queries.token_local, pair.queries.count);
    mask.key_document_ids = key_document_ids.slice(1, pair.keys.token_local, pair.keys.count);
  }
  return mask;
}

template <class View>
View part_of(const View& view, const LocalRange& range) {
  return view.token_range(range.token_local, range.count);
}

TensorView<float, 4> part_of(const TensorView<float, 4>& view, const LocalRange& range) {
  return view.slice(1, range.token_local, range.count);
}

TensorView<const float, 3> part_of(const TensorView<const float, 3>& view, const LocalRange& range) {
  return view.slice(2, range.token_local, range.count);
}

}  // namespace

bool KeyGradients::begin_pair(const BlockPair& pair) {
  const bool is_first = !has_begun_;
  const bool has_all_keys = pair.keys.count == dk_.shape[1];
  if (is_first && !has_all_keys) {
    clear();
  }
  has_begun_ = true;
  return is_first && has_all_keys;
}

void KeyGradients::end() {
  if (!has_begun_) {
    clear();
  }
}

void KeyGradients::clear() {
  tensors_.fill_zero(dk_.elements());
  tensors_.fill_zero(dv_.elements());
}

BlockPasses::BlockPasses(const SequenceAttentionOptions& options, const Partition& partition,
                         std::function<void()> drive)
    : partition_(partition),
      is_causal_(options.is_causal),
      device_(device(device_of(options.backend))),
      kernel_(make_kernel(options)),
      drive_(std::move(drive)),
      on_block_(options.on_block),
      deadline_(std::numeric_limits<double>::infinity()) {
  for (auto& event : task_ends_) {
    event = device_.make_event();
  }
  progress_ = [this] {
    note_progress();
    drive_();
    look_at_clock();
    return !has_missed_deadline_;
  };
}

void BlockPasses::look_at_clock() { has_missed_deadline_ = has_missed_deadline_ || now_seconds() > deadline_; }

void BlockPasses::accumulate(const BlockTask& task, const ForwardQueries& queries, const KeyOperands& keys,
                             const AttentionState& state, const std::vector<bool>& is_last) {
  auto is_writing = is_last.begin();
  for_each_pair(task, [&](const BlockPair& pair) {
    const bool writes = !is_last.empty() && *is_writing++;
    return kernel_->accumulate({.q = part_of(queries.q, pair.queries),
                                .k = part_of(keys.k, pair.keys),
                                .v = part_of(keys.v, pair.keys),
                                .mask = make_mask(pair, is_causal_, queries.document_ids, keys.document_ids)},
                               part_of(state, pair.queries),
                               writes ? part_of(queries.out, pair.queries) : ActivationView(), progress_);
  });
}

void BlockPasses::backward(const BlockTask& task, const QueryOperands& queries, const KeyOperands& of_keys,
                           const TensorView<float, 4>& dq, KeyGradients& keys) {
  for_each_pair(task, [&](const BlockPair& pair) {
    const bool overwrites_keys = keys.begin_pair(pair);
    return kernel_->backward({.q = part_of(queries.q, pair.queries),
                              .k = part_of(of_keys.k, pair.keys),
                              .v = part_of(of_keys.v, pair.keys),
                              .dout = part_of(queries.dout, pair.queries),
                              .maximum = part_of(queries.maximum, pair.queries),
                              .sum = part_of(queries.sum, pair.queries),
                              .delta = part_of(queries.delta, pair.queries),
                              .mask = make_mask(pair, is_causal_, queries.document_ids, of_keys.document_ids)},
                             {.dq = part_of(dq, pair.queries),
                              .dk = part_of(keys.dk(), pair.keys),
                              .dv = part_of(keys.dv(), pair.keys),
                              .overwrites_keys = overwrites_keys},
                             progress_);
  });
}

void BlockPasses::for_each_pair(const BlockTask& task, const std::function<bool(const BlockPair&)>& function) {
  keep_pace([&] {
    for (const BlockPair& pair : visible_block_pairs(partition_, task.queries, task.keys, is_causal_)) {
      if (has_missed_deadline_) {
        return;
      }
      if (on_block_) {
        on_block_(task, pair);
      }
      if (!function(pair)) {
        return;
      }
    }
  });
}

void BlockPasses::keep_pace(const std::function<void()>& enqueue) {
  if (!std::isfinite(deadline_)) {
    enqueue();
    return;
  }
  // While the host waits, the GPU still has the last task to do. A kernel that hangs holds this up until the deadline
  // only: the pass then ends without a result, and the watchdog ends whoever waits for the device.
  wait_for_device([this] {
    drive_();
    look_at_clock();
    return has_missed_deadline_ || task_ends_[0]->has_happened();
  });
  if (has_missed_deadline_) {
    return;
  }
  enqueue();
  task_ends_[0]->record(device_.compute_stream());
  std::swap(task_ends_[0], task_ends_[1]);
}

}  // namespace ringworld
