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

std::int64_t head_list_rows(std::int64_t rows, std::int64_t parts) {
  return rounded_up(rows) + (parts - 1) * row_quantum;
}

Head::Head(const HeadOptions& options, Compute& compute, Communicator tp)
    : options_(options),
      compute_(compute),
      linear_(compute),
      tp_(std::move(tp)),
      access_(compute.memory()),
      loss_(make_cross_entropy(compute.backend(), compute.kernel_options())) {
  options_.chunk = head_chunk_rows(options.chunk, options.rows);
  const std::int64_t element = size_of(options.dtype);
  const std::int64_t vocabulary = options.vocabulary.largest_part();
  const std::int64_t list = head_list_rows(options.rows, std::ssize(options.vocabulary.parts()));
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

const void* Head::weights_of(const PartSlice& slice, const void* weight) const {
  return static_cast<const std::byte*>(weight) + slice.row * options_.hidden_size * size_of(options_.dtype);
}

void Head::project(const ConstRowsView& hidden, const void* weight, const TensorView<float, 2>& logits) {
  for (const PartSlice& slice : options_.vocabulary.parts()) {
    for (std::int64_t begin = 0; begin < hidden.rows; begin += options_.chunk) {
      const std::int64_t count = std::min(options_.chunk, hidden.rows - begin);
      const TensorView<float, 2> chunk(logits_.as<float>(), {count, slice.count});
      linear_.forward(hidden.row_range(begin, count), weights_of(slice, weight), chunk);
      const auto values = access_.read(std::span(chunk.data, static_cast<std::size_t>(chunk.size())));
      for (std::int64_t row = 0; row < count; ++row) {
        std::ranges::copy(part(values, row * slice.count, slice.count), &logits(begin + row, slice.first_token()));
      }
    }
  }
}

void Head::list_active(const HeadPass& pass) {
  const std::vector<PartSlice>& slices = options_.vocabulary.parts();
  const std::int64_t vocabulary_end = slices.back().part.end();
  for (std::size_t row = 0; row < static_cast<std::size_t>(options_.rows); ++row) {
    if (pass.targets[row] >= vocabulary_end) {
      throw Error(ErrorKind::bad_input,
                  fmt::format("loss: target {} is not below vocab_size {}", pass.targets[row], vocabulary_end));
    }
  }
  const std::int64_t capacity = head_list_rows(options_.rows, std::ssize(slices));
  const std::span<std::int32_t> rows = rows_.edit(capacity);
  const std::span<std::int32_t> targets = targets_.edit(capacity);
  const std::span<float> weights = weights_.edit(capacity);
  listed_.clear();
  list_end_ = 0;
  for (const PartSlice& slice : slices) {
    const std::int64_t begin = list_end_;
    auto next = static_cast<std::size_t>(begin);
    for (std::size_t row = 0; row < static_cast<std::size_t>(options_.rows); ++row) {
      const std::int32_t target = pass.targets[row];
      if (slice.part.contains(target)) {
        rows[next] = static_cast<std::int32_t>(row);
        targets[next] = target - static_cast<std::int32_t>(slice.part.begin);
        weights[next] = pass.weights[row];
        ++next;
      }
    }
    const std::int64_t end = static_cast<std::int64_t>(next);
    listed_.push_back({.begin = begin, .count = end - begin});
    list_end_ = begin + rounded_up(end - begin);
    std::ranges::fill(part(rows, end, list_end_ - end), -1);
    std::ranges::fill(part(targets, end, list_end_ - end), -1);
    std::ranges::fill(part(weights, end, list_end_ - end), 0.0F);
  }
  rows_.upload(list_end_);
  targets_.upload(list_end_);
  weights_.upload(list_end_);
}

void Head::gather(const HeadPass& pass, Chunk& chunk) {
  const std::span<const std::int32_t> listed = part(rows_.read(list_end_), chunk.begin, chunk.count);
  const bool has_gradient = !pass.dhidden.is_null();
  chunk.is_in_place = listed.back() - listed.front() + 1 == chunk.count;
  if (chunk.is_in_place) {
    chunk.padded = chunk.count;
    chunk.hidden = pass.hidden.row_range(listed.front(), chunk.count);
    chunk.dhidden = has_gradient ? pass.dhidden.row_range(listed.front(), chunk.count) : RowsView();
    return;
  }
  chunk.padded = rounded_up(chunk.count);
  const std::array<std::int64_t, 2> shape{chunk.padded, options_.hidden_size};
  const RowsView dense(hidden_.data(), options_.dtype, shape);
  const auto scope = compute_.scope(Work::elementwise);
  compute_.tensors().gather_rows(pass.hidden, part(rows_.device(chunk.begin + chunk.padded), chunk.begin, chunk.padded),
                                 dense);
  chunk.hidden = dense;
  chunk.dhidden = has_gradient ? RowsView(dhidden_.data(), options_.dtype, shape) : RowsView();
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
  const CrossEntropyShard shard{.logits = loss.logits, .targets = loss.targets, .vocab_begin = chunk.slice->begin};
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
  linear_.weight_gradient(dy, chunk.hidden, pass.dweight + chunk.slice->row * options_.hidden_size);
  linear_.input_gradient(dy, weights_of(*chunk.slice, pass.weight), chunk.dhidden);
  sum_over_ranks(tp_, chunk.dhidden, tp_scratch_.as<float>(), compute_);
  if (!chunk.is_in_place) {
    const auto scope = compute_.scope(Work::elementwise);
    const auto rows = part(rows_.device(chunk.begin + chunk.padded), chunk.begin, chunk.padded);
    compute_.tensors().scatter_rows(chunk.dhidden, rows, pass.dhidden);
  }
}

void Head::run_chunk(const HeadPass& pass, const Chunk& chunk) {
  const bool has_gradient = !pass.dhidden.is_null();
  const std::int64_t end = chunk.begin + chunk.padded;
  const ChunkLoss loss{.logits = {logits_.as<float>(), {chunk.padded, chunk.slice->count}},
                       .targets = part(targets_.device(end), chunk.begin, chunk.padded),
                       .weights = part(weights_.device(end), chunk.begin, chunk.padded),
                       .nll = part(nll_.device(end), chunk.begin, chunk.padded)};
  linear_.forward(chunk.hidden, weights_of(*chunk.slice, pass.weight), loss.logits);
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
}

void Head::start(const HeadPass& pass) {
  list_active(pass);
  std::int64_t active = 0;
  for (const ListedPart& listed : listed_) {
    active += listed.count;
  }
  if (!pass.dhidden.is_null() && active < options_.rows) {
    const auto scope = compute_.scope(Work::elementwise);
    compute_.tensors().fill_zero(pass.dhidden);
  }
  chunks_.clear();
  for (std::size_t index = 0; index < listed_.size(); ++index) {
    const ListedPart& listed = listed_[index];
    for (std::int64_t done = 0; done < listed.count; done += options_.chunk) {
      Chunk& chunk = chunks_.emplace_back();
      chunk.slice = &options_.vocabulary.parts()[index];
      chunk.begin = listed.begin + done;
      chunk.count = std::min(options_.chunk, listed.count - done);
      gather(pass, chunk);
      run_chunk(pass, chunk);
      compute_.progress();
    }
  }
  has_likeliest_ = pass.wants_likeliest;
  if (has_likeliest_) {
    likeliest_.download(list_end_);
    largest_.download(list_end_);
  }
  if (tp_.size() == 1) {
    nll_.download(list_end_);
  } else {
    shard_maximum_.download(list_end_);
    shard_sums_.download(2 * list_end_);
  }
}

void Head::find_shards_nll() {
  const auto targets = targets_.read(list_end_);
  const auto maximum = shard_maximum_.read(list_end_);
  const auto all_sums = shard_sums_.edit(2 * list_end_);
  const auto nll = nll_.edit(list_end_);
  for (const Chunk& chunk : chunks_) {
    const std::span<const float> sums = sums_of(all_sums, chunk);
    negative_log_likelihoods(part(targets, chunk.begin, chunk.padded), part(maximum, chunk.begin, chunk.padded),
                             sums.first(sums.size() / 2), sums.last(sums.size() / 2),
                             part(nll, chunk.begin, chunk.padded));
  }
}

std::vector<std::int64_t> Head::likeliest_tokens() {
  const auto columns = likeliest_.read(list_end_);
  const auto mine = largest_.read(list_end_);
  std::vector<std::int64_t> tokens(columns.begin(), columns.end());
  for (std::size_t index = 0; index < listed_.size(); ++index) {
    const ListedPart& listed = listed_[index];
    for (std::int64_t& token : part(std::span(tokens), listed.begin, listed.count)) {
      token += options_.vocabulary.parts()[index].first_token();
    }
  }
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
  const auto rows = rows_.read(list_end_);
  const auto weights = weights_.read(list_end_);
  const auto nll = nll_.read(list_end_);
  double loss = 0;
  std::ranges::fill(scores.nll, 0.0F);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] < 0) {
      continue;
    }
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
      if (rows[i] >= 0) {
        scores.likeliest[static_cast<std::size_t>(rows[i])] = static_cast<std::int32_t>(tokens[i]);
      }
    }
  }
  return loss;
}

}  // namespace ringworld
