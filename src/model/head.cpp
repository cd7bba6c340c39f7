#include "model/head.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <numeric>

#include "comm/collectives.hpp"
#include "core/error.hpp"
#include "core/isa.hpp"
#include "kernels/row/row_functions.hpp"
#include "model/row_sums.hpp"

namespace ringworld {
namespace {

/// Gathered chunks are padded to a multiple of this many rows, so that few shapes of products need preparing.
constexpr std::int64_t row_quantum = 64;

std::int64_t float_bytes(std::int64_t count) { return count * static_cast<std::int64_t>(sizeof(float)); }

std::int64_t rounded_up(std::int64_t count) { return (count + row_quantum - 1) / row_quantum * row_quantum; }

}  // namespace

std::int64_t head_chunk_rows(std::int64_t chunk, std::int64_t rows) {
  return rounded_up(std::min(chunk, std::max<std::int64_t>(1, rows)));
}

Head::Head(const HeadOptions& options, Matmul& matmul, Communicator tp, std::function<void()> progress)
    : options_(options),
      linear_(matmul),
      tp_(std::move(tp)),
      progress_(std::move(progress)),
      loss_(make_cross_entropy(options.backend)) {
  options_.chunk = head_chunk_rows(options.chunk, options.rows);
  const std::int64_t element = size_of(options.dtype);
  const std::int64_t vocabulary = options.vocabulary.count;
  logits_ = Buffer(float_bytes(options_.chunk * vocabulary));
  hidden_ = Buffer(options_.chunk * options.hidden_size * element);
  active_.reserve(static_cast<std::size_t>(options.rows));
  if (!options.is_forward_only) {
    dhidden_ = Buffer(options_.chunk * options.hidden_size * element);
    if (options.dtype != DType::float32) {
      rounded_ = Buffer(options_.chunk * vocabulary * element);
    }
  }
  if (tp_.size() > 1 && options.dtype != DType::float32) {
    tp_scratch_ = Buffer(float_bytes(options_.chunk * options.hidden_size));
  }
}

std::int64_t Head::bytes() const {
  return logits_.bytes() + rounded_.bytes() + hidden_.bytes() + dhidden_.bytes() + tp_scratch_.bytes();
}

void Head::project(const ConstRowsView& hidden, const void* weight, const TensorView<float, 2>& logits) {
  linear_.forward(hidden, weight, logits);
}

void Head::list_active(const HeadPass& pass) {
  active_.clear();
  for (std::int64_t row = 0; row < options_.rows; ++row) {
    if (pass.targets[static_cast<std::size_t>(row)] >= 0) {
      active_.push_back(row);
    }
  }
}

Head::Chunk Head::gather(const HeadPass& pass, std::size_t begin, std::size_t count) {
  Chunk chunk;
  chunk.rows = std::span(active_).subspan(begin, count);
  const bool has_gradient = !pass.dhidden.is_null();
  const auto rows = static_cast<std::int64_t>(count);
  const std::int64_t columns = options_.hidden_size;
  chunk.is_in_place = chunk.rows.back() - chunk.rows.front() + 1 == rows;
  const std::int64_t padded = chunk.is_in_place ? rows : rounded_up(rows);
  if (chunk.is_in_place) {
    chunk.hidden = pass.hidden.row_range(chunk.rows.front(), rows);
    if (has_gradient) {
      chunk.dhidden = pass.dhidden.row_range(chunk.rows.front(), rows);
    }
  } else {
    const RowsView dense(hidden_.data(), options_.dtype, {padded, columns});
    const RowsView padding = dense.row_range(rows, padded - rows);
    std::memset(padding.data, 0, static_cast<std::size_t>((padded - rows) * columns * size_of(options_.dtype)));
    for (std::int64_t i = 0; i < rows; ++i) {
      copy_rows(pass.hidden.row_range(chunk.rows[static_cast<std::size_t>(i)], 1), dense.row_range(i, 1));
    }
    chunk.hidden = dense;
    if (has_gradient) {
      chunk.dhidden = RowsView(dhidden_.data(), options_.dtype, {padded, columns});
    }
  }
  chunk.targets.assign(static_cast<std::size_t>(padded), -1);
  chunk.weights.assign(static_cast<std::size_t>(padded), 0.0F);
  chunk.nll.resize(static_cast<std::size_t>(padded));
  for (std::size_t i = 0; i < count; ++i) {
    chunk.targets[i] = pass.targets[static_cast<std::size_t>(chunk.rows[i])];
    chunk.weights[i] = pass.weights[static_cast<std::size_t>(chunk.rows[i])];
  }
  return chunk;
}

void Head::find_likeliest(const Chunk& chunk, const TensorView<const float, 2>& logits, const HeadPass& pass) {
  const auto& functions = row::row_functions(selected_isa());
  const std::size_t rows = chunk.rows.size();
  const std::int64_t columns = logits.shape[1];
  std::vector<float> maximum(rows);
  std::vector<std::int64_t> index(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    const float* row = logits.data + static_cast<std::int64_t>(i) * columns;
    maximum[i] = functions.maximum(row, columns);
    const std::int64_t first = std::find(row, row + columns, maximum[i]) - row;
    // Of NaNs none equals the maximum: the token is then out of the vocabulary of every slice but stays a number.
    index[i] = options_.vocabulary.begin + std::min(first, columns - 1);
  }
  if (tp_.size() > 1) {
    std::vector<float> largest = maximum;
    all_reduce(tp_, largest, Reduction::max);
    for (std::size_t i = 0; i < rows; ++i) {
      if (maximum[i] != largest[i]) {
        index[i] = std::numeric_limits<std::int32_t>::max();
      }
    }
    tp_.all_reduce(std::span(index), Reduction::min);
  }
  for (std::size_t i = 0; i < rows; ++i) {
    pass.likeliest[static_cast<std::size_t>(chunk.rows[i])] = static_cast<std::int32_t>(index[i]);
  }
}

void Head::run_whole(Chunk& chunk, const TensorView<float, 2>& logits, bool has_gradient) {
  if (has_gradient) {
    loss_->backward({.logits = logits, .targets = chunk.targets, .weights = chunk.weights, .nll = chunk.nll});
  } else {
    loss_->forward({.logits = logits, .targets = chunk.targets, .nll = chunk.nll});
  }
}

void Head::run_sharded(Chunk& chunk, const TensorView<float, 2>& logits, bool has_gradient) {
  const CrossEntropyShard shard{.logits = logits, .targets = chunk.targets, .vocab_begin = options_.vocabulary.begin};
  std::vector<float> maximum(chunk.targets.size());
  loss_->shard_maximum(shard, maximum);
  all_reduce(tp_, maximum, Reduction::max);
  // The sums and the logits of the targets travel together.
  std::vector<float> sums(2 * chunk.targets.size());
  const std::span<float> sum = std::span(sums).first(chunk.targets.size());
  const std::span<float> target_logit = std::span(sums).last(chunk.targets.size());
  loss_->shard_exponentials(shard, maximum, sum, target_logit);
  all_reduce(tp_, sums, Reduction::sum);
  negative_log_likelihoods(chunk.targets, maximum, sum, target_logit, chunk.nll);
  if (has_gradient) {
    loss_->shard_gradient(shard, sum, chunk.weights);
  }
}

void Head::propagate(const Chunk& chunk, const TensorView<float, 2>& dlogits, const HeadPass& pass) {
  ConstRowsView dy = dlogits;
  if (options_.dtype != DType::float32) {
    const RowsView rounded(rounded_.data(), options_.dtype, dlogits.shape);
    copy_rows(dy, rounded);
    dy = rounded;
  }
  linear_.weight_gradient(dy, chunk.hidden, pass.dweight);
  linear_.input_gradient(dy, pass.weight, chunk.dhidden);
  sum_over_ranks(tp_, chunk.dhidden, tp_scratch_.as<float>());
  for (std::size_t i = 0; i < chunk.rows.size() && !chunk.is_in_place; ++i) {
    copy_rows(chunk.dhidden.row_range(static_cast<std::int64_t>(i), 1), pass.dhidden.row_range(chunk.rows[i], 1));
  }
}

double Head::run(const HeadPass& pass) {
  const bool has_gradient = !pass.dhidden.is_null();
  list_active(pass);
  for (const std::int64_t row : active_) {
    const std::int32_t target = pass.targets[static_cast<std::size_t>(row)];
    if (target >= options_.vocab_size) {
      throw Error(ErrorKind::bad_input,
                  fmt::format("loss: target {} is not below vocab_size {}", target, options_.vocab_size));
    }
  }
  std::ranges::fill(pass.nll, 0.0F);
  std::ranges::fill(pass.likeliest, -1);
  if (has_gradient && std::ssize(active_) < options_.rows) {
    std::memset(pass.dhidden.data, 0,
                static_cast<std::size_t>(options_.rows * options_.hidden_size * size_of(options_.dtype)));
  }

  double loss = 0;
  for (std::size_t begin = 0; begin < active_.size(); begin += static_cast<std::size_t>(options_.chunk)) {
    Chunk chunk = gather(pass, begin, std::min(static_cast<std::size_t>(options_.chunk), active_.size() - begin));
    const TensorView<float, 2> logits(logits_.as<float>(), {chunk.hidden.rows, options_.vocabulary.count});
    project(chunk.hidden, pass.weight, logits);
    if (!pass.likeliest.empty()) {
      find_likeliest(chunk, logits, pass);
    }
    if (tp_.size() == 1) {
      run_whole(chunk, logits, has_gradient);
    } else {
      run_sharded(chunk, logits, has_gradient);
    }
    if (has_gradient) {
      propagate(chunk, logits, pass);
    }
    for (std::size_t i = 0; i < chunk.rows.size(); ++i) {
      loss += static_cast<double>(chunk.weights[i]) * static_cast<double>(chunk.nll[i]);
      if (!pass.nll.empty()) {
        pass.nll[static_cast<std::size_t>(chunk.rows[i])] = chunk.nll[i];
      }
    }
    progress_();
  }
  return loss;
}

}  // namespace ringworld
