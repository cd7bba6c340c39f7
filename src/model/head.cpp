#include "model/head.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "comm/collectives.hpp"
#include "core/error.hpp"
#include "model/rank_sums.hpp"

namespace ringworld {
namespace {

/// Gathered chunks are padded to a multiple of this many rows, so that few shapes of products need preparing.
constexpr std::int64_t row_quantum = 64;

std::int64_t rounded_up(std::int64_t count) { return (count + row_quantum - 1) / row_quantum * row_quantum; }

template <class T>
std::span<T> part(std::span<T> list, std::int64_t begin, std::int64_t count) {
  return list.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count));
}

}  // namespace

std::int64_t head_chunk_rows(std::int64_t chunk, std::int64_t rows) {
  return rounded_up(std::min(chunk, std::max<std::int64_t>(1, rows)));
}

std::int64_t head_list_rows(std::int64_t rows) { return rounded_up(rows); }

Head::Head(const HeadOptions& options, Compute& compute, Communicator tp)
    : options_(options),
      compute_(compute),
      linear_(compute),
      tp_(std::move(tp)),
      access_(compute.memory()),
      loss_(make_cross_entropy(compute.backend(), compute.kernel_options())) {
  options_.chunk = head_chunk_rows(options.chunk, options.rows);
  const std::int64_t element = size_of(options.dtype);
  const std::int64_t vocabulary = options.vocabulary.count;
  const std::int64_t list = head_list_rows(options.rows);
  rows_ = compute.allocate_dual<std::int32_t>(list);
  targets_ = compute.allocate_dual<std::int32_t>(list);
  weights_ = compute.allocate_dual<float>(list);
  nll_ = compute.allocate_dual<float>(list);
  likeliest_ = compute.allocate_dual<std::int32_t>(list);
  largest_ = compute.allocate_dual<float>(list);
  logits_ = compute.allocate_floats(options_.chunk * vocabulary);
  hidden_ = compute.allocate(options_.chunk * options.hidden_size * element);
  if (!options.is_forward_only) {
    dhidden_ = compute.allocate(options_.chunk * options.hidden_size * element);
    if (options.dtype != DType::float32) {
      rounded_ = compute.allocate(options_.chunk * vocabulary * element);
    }
  }
  if (tp_.size() > 1) {
    shard_maximum_ = compute.allocate_dual<float>(list);
    shard_sums_ = compute.allocate_dual<float>(2 * list);
    if (options.dtype != DType::float32) {
      tp_scratch_ = compute.allocate_floats(options_.chunk * options.hidden_size);
    }
  }
}

std::int64_t Head::bytes() const {
  return rows_.bytes() + targets_.bytes() + weights_.bytes() + nll_.bytes() + likeliest_.bytes() + largest_.bytes() +
         shard_maximum_.bytes() + shard_sums_.bytes() + logits_.bytes() + rounded_.bytes() + hidden_.bytes() +
         dhidden_.bytes() + tp_scratch_.bytes();
}

void Head::project(const ConstRowsView& hidden, const void* weight, const TensorView<float, 2>& logits) {
  const std::int64_t columns = options_.vocabulary.count;
  for (std::int64_t begin = 0; begin < hidden.rows; begin += options_.chunk) {
    const std::int64_t count = std::min(options_.chunk, hidden.rows - begin);
    const TensorView<float, 2> chunk(logits_.as<float>(), {count, columns});
    linear_.forward(hidden.row_range(begin, count), weight, chunk);
    const auto values = access_.read(std::span(chunk.data, static_cast<std::size_t>(chunk.size())));
    for (std::int64_t row = 0; row < count; ++row) {
      std::ranges::copy(part(values, row * columns, columns), &logits(begin + row, 0));
    }
  }
}

void Head::list_active(const HeadPass& pass) {
  const std::int64_t capacity = head_list_rows(options_.rows);
  const std::span<std::int32_t> rows = rows_.edit(capacity);
  const std::span<std::int32_t> targets = targets_.edit(capacity);
  const std::span<float> weights = weights_.edit(capacity);
  std::size_t count = 0;
  for (std::size_t row = 0; row < static_cast<std::size_t>(options_.rows); ++row) {
    const std::int32_t target = pass.targets[row];
    if (target >= options_.vocab_size) {
      throw Error(ErrorKind::bad_input,
                  fmt::format("loss: target {} is not below vocab_size {}", target, options_.vocab_size));
    }
    if (target >= 0) {
      rows[count] = static_cast<std::int32_t>(row);
      targets[count] = target;
      weights[count] = pass.weights[row];
      ++count;
    }
  }
  active_ = static_cast<std::int64_t>(count);
  const std::int64_t padded = rounded_up(active_);
  std::ranges::fill(part(rows, active_, padded - active_), -1);
  std::ranges::fill(part(targets, active_, padded - active_), -1);
  std::ranges::fill(part(weights, active_, padded - active_), 0.0F);
  rows_.upload(padded);
  targets_.upload(padded);
  weights_.upload(padded);
}

Head::Chunk Head::gather(const HeadPass& pass, std::int64_t begin, std::int64_t count) {
  const std::span<const std::int32_t> listed = part(rows_.read(active_), begin, count);
  const bool has_gradient = !pass.dhidden.is_null();
  Chunk chunk{.begin = begin, .count = count};
  chunk.is_in_place = listed.back() - listed.front() + 1 == count;
  if (chunk.is_in_place) {
    chunk.padded = count;
    chunk.hidden = pass.hidden.row_range(listed.front(), count);
    chunk.dhidden = has_gradient ? pass.dhidden.row_range(listed.front(), count) : RowsView();
    return chunk;
  }
  chunk.padded = rounded_up(count);
  const std::array<std::int64_t, 2> shape{chunk.padded, options_.hidden_size};
  const RowsView dense(hidden_.data(), options_.dtype, shape);
  const auto scope = compute_.scope(Work::elementwise);
  compute_.tensors().gather_rows(pass.hidden, part(rows_.device(begin + chunk.padded), begin, chunk.padded), dense);
  chunk.hidden = dense;
  chunk.dhidden = has_gradient ? RowsView(dhidden_.data(), options_.dtype, shape) : RowsView();
  return chunk;
}

void Head::find_likeliest(const Chunk& chunk, const TensorView<const float, 2>& logits) {
  const auto scope = compute_.scope(Work::elementwise);
  const std::int64_t end = chunk.begin + chunk.padded;
  compute_.tensors().find_row_maxima(logits, {.maximum = part(largest_.device(end), chunk.begin, chunk.padded),
                                              .index = part(likeliest_.device(end), chunk.begin, chunk.padded)});
}

void Head::run_whole(const ChunkLoss& loss, bool has_gradient) {
  const auto scope = compute_.scope(Work::elementwise);
  if (has_gradient) {
    loss_->backward({.logits = loss.logits, .targets = loss.targets, .weights = loss.weights, .nll = loss.nll});
  } else {
    loss_->forward({.logits = loss.logits, .targets = loss.targets, .nll = loss.nll});
  }
}

void Head::run_sharded(const Chunk& chunk, const ChunkLoss& loss, bool has_gradient) {
  const auto scope = compute_.scope(Work::elementwise);
  const auto reduce = [&](std::span<float> values, Reduction reduction) {
    const auto waiting = compute_.scope(Work::communication);
    all_reduce(tp_, values, reduction, compute_.memory());
  };
  const CrossEntropyShard shard{
      .logits = loss.logits, .targets = loss.targets, .vocab_begin = options_.vocabulary.begin};
  const std::int64_t end = chunk.begin + chunk.padded;
  const std::span<float> maximum = part(shard_maximum_.device(end), chunk.begin, chunk.padded);
  loss_->shard_maximum(shard, maximum);
  reduce(maximum, Reduction::max);
  // The sums and the logits of the targets travel together.
  const std::span<float> sums = sums_of(shard_sums_.device(2 * end), chunk);
  const std::span<float> sum = sums.first(sums.size() / 2);
  loss_->shard_exponentials(shard, maximum, sum, sums.last(sums.size() / 2));
  reduce(sums, Reduction::sum);
  if (has_gradient) {
    loss_->shard_gradient(shard, sum, loss.weights);
  }
}

void Head::propagate(const Chunk& chunk, const TensorView<float, 2>& dlogits, const HeadPass& pass) {
  ConstRowsView dy = dlogits;
  if (options_.dtype != DType::float32) {
    const auto scope = compute_.scope(Work::elementwise);
    const RowsView rounded(rounded_.data(), options_.dtype, dlogits.shape);
    compute_.tensors().copy_rows(dy, rounded);
    dy = rounded;
  }
  linear_.weight_gradient(dy, chunk.hidden, pass.dweight);
  linear_.input_gradient(dy, pass.weight, chunk.dhidden);
  sum_over_ranks(tp_, chunk.dhidden, tp_scratch_.as<float>(), compute_);
  if (!chunk.is_in_place) {
    const auto scope = compute_.scope(Work::elementwise);
    const auto rows = part(rows_.device(chunk.begin + chunk.padded), chunk.begin, chunk.padded);
    compute_.tensors().scatter_rows(chunk.dhidden, rows, pass.dhidden);
  }
}

void Head::start(const HeadPass& pass) {
  const bool has_gradient = !pass.dhidden.is_null();
  list_active(pass);
  if (has_gradient && active_ < options_.rows) {
    const auto scope = compute_.scope(Work::elementwise);
    compute_.tensors().fill_zero(pass.dhidden);
  }
  chunks_.clear();
  for (std::int64_t begin = 0; begin < active_; begin += options_.chunk) {
    const Chunk& chunk = chunks_.emplace_back(gather(pass, begin, std::min(options_.chunk, active_ - begin)));
    const std::int64_t end = begin + chunk.padded;
    const ChunkLoss loss{.logits = {logits_.as<float>(), {chunk.padded, options_.vocabulary.count}},
                         .targets = part(targets_.device(end), begin, chunk.padded),
                         .weights = part(weights_.device(end), begin, chunk.padded),
                         .nll = part(nll_.device(end), begin, chunk.padded)};
    linear_.forward(chunk.hidden, pass.weight, loss.logits);
    if (pass.wants_likeliest) {
      find_likeliest(chunk, loss.logits);
    }
    if (tp_.size() == 1) {
      run_whole(loss, has_gradient);
    } else {
      run_sharded(chunk, loss, has_gradient);
    }
    if (has_gradient) {
      propagate(chunk, loss.logits, pass);
    }
    compute_.progress();
  }
  has_likeliest_ = pass.wants_likeliest;
  if (has_likeliest_) {
    likeliest_.download(active_);
    largest_.download(active_);
  }
  if (tp_.size() == 1) {
    nll_.download(active_);
  } else {
    shard_maximum_.download(rounded_up(active_));
    shard_sums_.download(2 * rounded_up(active_));
  }
}

void Head::find_shards_nll() {
  const std::int64_t padded = rounded_up(active_);
  const auto targets = targets_.read(padded);
  const auto maximum = shard_maximum_.read(padded);
  const auto all_sums = shard_sums_.edit(2 * padded);
  const auto nll = nll_.edit(padded);
  for (const Chunk& chunk : chunks_) {
    const std::span<const float> sums = sums_of(all_sums, chunk);
    negative_log_likelihoods(part(targets, chunk.begin, chunk.padded), part(maximum, chunk.begin, chunk.padded),
                             sums.first(sums.size() / 2), sums.last(sums.size() / 2),
                             part(nll, chunk.begin, chunk.padded));
  }
}

std::vector<std::int64_t> Head::likeliest_tokens() {
  const auto columns = likeliest_.read(active_);
  const auto mine = largest_.read(active_);
  std::vector<std::int64_t> tokens(columns.begin(), columns.end());
  std::ranges::for_each(tokens, [&](std::int64_t& token) { token += options_.vocabulary.begin; });
  if (tp_.size() > 1) {
    std::vector<float> largest(mine.begin(), mine.end());
    all_reduce(tp_, largest, Reduction::max, DeviceKind::host);
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      if (mine[i] != largest[i]) {
        tokens[i] = std::numeric_limits<std::int32_t>::max();
      }
    }
    tp_.all_reduce(std::span(tokens), Reduction::min);
  }
  return tokens;
}

double Head::finish(const HeadScores& scores) {
  if (tp_.size() > 1) {
    find_shards_nll();
  }
  const auto rows = rows_.read(active_);
  const auto weights = weights_.read(active_);
  const auto nll = nll_.read(active_);
  double loss = 0;
  std::ranges::fill(scores.nll, 0.0F);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    loss += static_cast<double>(weights[i]) * static_cast<double>(nll[i]);
    if (!scores.nll.empty()) {
      scores.nll[static_cast<std::size_t>(rows[i])] = nll[i];
    }
  }
  if (!scores.likeliest.empty()) {
    require(has_likeliest_, "head: the pass did not look for the likeliest tokens");
    const std::vector<std::int64_t> tokens = likeliest_tokens();
    std::ranges::fill(scores.likeliest, -1);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      scores.likeliest[static_cast<std::size_t>(rows[i])] = static_cast<std::int32_t>(tokens[i]);
    }
  }
  return loss;
}

}  // namespace ringworld
