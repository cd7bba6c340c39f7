#include "experiments/verify/sequence_file.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>

#include "core/error.hpp"

namespace ringworld {
namespace {

/// The tokens of `run` in a dataset of which the run's own values have this shape.
Hyperslab slab_of(const TokenRun& run, std::size_t token_axis, std::span<const std::int64_t> shape) {
  Hyperslab slab{.start = std::vector<std::int64_t>(shape.size(), 0),
                 .count = {shape.begin(), shape.end()},
                 .stride = std::vector<std::int64_t>(shape.size(), 1)};
  slab.start[token_axis] = run.token;
  slab.count[token_axis] = run.count;
  slab.stride[token_axis] = run.stride;
  return slab;
}

std::int64_t product(std::span<const std::int64_t> extents) {
  return std::accumulate(extents.begin(), extents.end(), std::int64_t{1}, std::multiplies<>());
}

/// Calls `function(run, shard, offset, length)` for each stretch that is dense both in a run's own values and in the
/// shard of all runs; `shard` and `run` offsets in elements.
template <class Function>
void for_each_stretch(const TokenRun& run, std::size_t token_axis, std::span<const std::int64_t> shard_shape,
                      Function&& function) {
  const std::int64_t outer = product(shard_shape.first(token_axis));
  const std::int64_t inner = product(shard_shape.subspan(token_axis + 1));
  for (std::int64_t index = 0; index < outer; ++index) {
    function(index * run.count * inner, (index * shard_shape[token_axis] + run.token_local) * inner, run.count * inner);
  }
}

}  // namespace

ActivationView SequenceReader::read(const std::string& dataset, const std::array<std::int64_t, 4>& shape, DType dtype,
                                    Buffer& memory) const {
  memory = Buffer(element_count(shape) * size_of(dtype));
  const ActivationView view(memory.data(), dtype, shape);
  std::vector<float> values;
  for (const TokenRun& run : runs_) {
    std::array<std::int64_t, 4> run_shape = shape;
    run_shape[1] = run.count;
    values.resize(static_cast<std::size_t>(element_count(run_shape)));
    file_.read(dataset, slab_of(run, 1, run_shape), std::span<float>(values));
    with_type(dtype, [&](auto type) {
      using T = decltype(type);
      T* shard = memory.as<T>();
      for_each_stretch(run, 1, shape, [&](std::int64_t from, std::int64_t to, std::int64_t length) {
        std::transform(values.begin() + from, values.begin() + from + length, shard + to,
                       [](float value) { return static_cast<T>(value); });
      });
    });
  }
  return view;
}

void SequenceReader::count_non_finite(const std::string& dataset, std::int64_t context_length,
                                      const ActivationView& shard, const TensorView<std::int32_t, 2>& document_ids,
                                      NonFiniteNumbers& found) const {
  const std::array whole{shard.batch(), context_length, shard.heads(), shard.head_size()};
  const std::int64_t token_size = shard.heads() * shard.head_size();
  std::vector<float> values(static_cast<std::size_t>(token_size));
  found.count(dataset, whole, 0, {});  // known on ranks without tokens too
  with_type(shard.dtype, [&](auto type) {
    using T = decltype(type);
    const auto typed = shard.as<T>();
    for (std::int64_t b = 0; b < shard.batch(); ++b) {
      for (const TokenRun& run : runs_) {
        for (std::int64_t i = 0; i < run.count; ++i) {
          if (document_ids.data != nullptr && document_ids(b, run.token_local + i) < 0) {
            continue;
          }
          const T* const token = &typed(b, run.token_local + i, 0, 0);
          std::transform(token, token + token_size, values.begin(), [](T value) { return static_cast<float>(value); });
          found.count(dataset, whole, (b * context_length + run.token + i * run.stride) * token_size, values);
        }
      }
    }
  });
}

TensorView<std::int32_t, 2> SequenceReader::read_document_ids(const std::string& dataset, std::int64_t batch,
                                                              Buffer& memory) const {
  std::int64_t tokens = 0;
  for (const TokenRun& run : runs_) {
    tokens += run.count;
  }
  const auto view = make_tensor<std::int32_t, 2>({batch, tokens}, memory);
  std::vector<std::int32_t> values;
  for (const TokenRun& run : runs_) {
    values.resize(static_cast<std::size_t>(batch * run.count));
    file_.read(dataset, slab_of(run, 1, std::array{batch, run.count}), std::span<std::int32_t>(values));
    for_each_stretch(run, 1, view.shape, [&](std::int64_t from, std::int64_t to, std::int64_t length) {
      std::copy_n(values.begin() + from, length, view.data + to);
    });
  }
  return view;
}

SequenceWriter::SequenceWriter(const std::string& path, const AttentionProblem& problem, bool has_backward)
    : file_(TensorWriter::create(path)) {
  const std::array q_shape{problem.batch, problem.context_length, problem.heads, problem.head_size};
  const std::array kv_shape{problem.batch, problem.context_length, problem.kv_heads, problem.head_size};
  add("out", q_shape, "attention output, (batch, token, head, head_size)");
  add("lse", std::array{problem.batch, problem.heads, problem.context_length},
      "natural logarithm of the sum of exponentials of the scaled scores, (batch, head, token)");
  if (has_backward) {
    add("dq", q_shape, "gradient of sum(out * dout) with respect to q");
    add("dk", kv_shape, "gradient of sum(out * dout) with respect to k");
    add("dv", kv_shape, "gradient of sum(out * dout) with respect to v");
  }
}

void SequenceWriter::add(const std::string& dataset, std::span<const std::int64_t> shape, const std::string& meaning) {
  file_.add(dataset, shape, meaning);
  shapes_.emplace_back(dataset, std::vector<std::int64_t>(shape.begin(), shape.end()));
}

void SequenceWriter::write(const std::string& dataset, std::size_t token_axis, const TokenRun& run,
                           std::span<const std::int64_t> shape, std::span<const float> values) {
  const Hyperslab slab = slab_of(run, token_axis, shape);
  file_.write(dataset, slab, values);
  const auto known = std::ranges::find(shapes_, dataset, [](const auto& named) { return named.first; });
  if (dataset != "lse") {
    non_finite_.count(dataset, known->second, slab, values);
    return;
  }
  std::vector<float> judged(values.begin(), values.end());
  std::ranges::replace(judged, -std::numeric_limits<float>::infinity(), 0.0F);
  non_finite_.count(dataset, known->second, slab, judged);
}

void SequenceGather::write_shard(const std::string& dataset, std::size_t token_axis,
                                 std::span<const std::int64_t> shape, std::span<const float> values,
                                 std::optional<SequenceWriter>& writer) const {
  constexpr int tag = 1;
  std::vector<float> run_values;
  for (int rank = 0; rank < communicator_.size(); ++rank) {
    for (const TokenRun& run : partition_.runs(rank)) {
      std::vector<std::int64_t> run_shape(shape.begin(), shape.end());
      run_shape[token_axis] = run.count;
      const bool is_mine = rank == communicator_.rank();
      if (!is_mine && !communicator_.is_root()) {
        continue;
      }
      run_values.resize(static_cast<std::size_t>(product(run_shape)));
      if (is_mine) {
        for_each_stretch(run, token_axis, shape, [&](std::int64_t to, std::int64_t from, std::int64_t length) {
          std::copy_n(values.begin() + from, length, run_values.begin() + to);
        });
      }
      if (is_mine && !communicator_.is_root()) {
        communicator_.send(std::as_bytes(std::span(run_values)), 0, tag);
        continue;
      }
      if (!is_mine) {
        communicator_.receive(std::as_writable_bytes(std::span(run_values)), rank, tag);
      }
      writer->write(dataset, token_axis, run, run_shape, run_values);
    }
  }
}

}  // namespace ringworld
