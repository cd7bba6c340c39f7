#include "kernels/attention/host/one_query.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/attention/host/tiling.hpp"
#include "kernels/attention/minus_infinity.hpp"
#include "kernels/elementwise/parallel.hpp"

namespace ringworld::host_attention {
namespace {

constexpr std::int64_t run_keys = 128;    // whose scores are made before their values are read
constexpr std::int64_t rows_of_pass = 8;  // query heads of one key/value head that are worked on together
constexpr std::int64_t largest_padded_head = padded(compiled_head_sizes.back());

}  // namespace

/// What a thread works on, on its stack.
struct OneQuery::Work {
  alignas(64) float q[rows_of_pass * largest_padded_head];
  alignas(64) float scores[rows_of_pass * run_keys];
};

/// How the keys are shared: an item is a chunk of one sequence.
struct OneQuery::Cut {
  std::int64_t heads = 0;
  std::int64_t padded_head = 0;
  std::int64_t keys = 0;
  std::int64_t chunk = 0;  ///< keys
  std::int64_t chunks = 0;
  std::int64_t batches = 0;

  explicit Cut(const ForwardBlock& block)
      : heads(block.q.heads()),
        padded_head(padded(block.q.head_size())),
        keys(block.k.tokens()),
        chunk(run_keys),
        batches(block.q.batch()) {
    // A chunk is worth handing out, and there are few enough that merging them is not work of its own.
    constexpr std::int64_t chunk_bytes = 1 << 17;
    constexpr std::int64_t most_chunks = 64;
    const std::int64_t key_bytes = 2 * block.k.heads() * block.k.head_size() * size_of(block.k.dtype);
    while (chunk * key_bytes < chunk_bytes || chunk * most_chunks < keys) {
      chunk *= 2;
    }
    chunks = (keys + chunk - 1) / chunk;
  }
  [[nodiscard]] std::int64_t items() const { return batches * chunks; }
  [[nodiscard]] std::int64_t partial_floats() const { return padded_head + lane_padding; }
};

/// The state of one head after the keys of one chunk.
struct OneQuery::Partial {
  float* output = nullptr;
  float* maximum = nullptr;
  float* sum = nullptr;
};

OneQuery::Partial OneQuery::partial(const Cut& cut, std::int64_t item, std::int64_t head) const {
  float* output = memory_.as<float>() + (item * cut.heads + head) * cut.partial_floats();
  return {.output = output, .maximum = output + cut.padded_head, .sum = output + cut.padded_head + 1};
}

void OneQuery::accumulate(const ForwardBlock& block, const AttentionState& state) {
  const Cut cut(block);
  const std::int64_t bytes = cut.items() * cut.heads * cut.partial_floats() * static_cast<std::int64_t>(sizeof(float));
  if (memory_.bytes() < bytes) {
    memory_ = Buffer();  // before more is taken
    memory_ = Buffer(bytes, DeviceKind::host, MemoryUse::attention);
  }
  row::for_each_range(options_.threads, cut.items(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t item = begin; item < end; ++item) {
      with_type(block.k.dtype, [&](auto type) { fold_chunk<decltype(type)>(block, cut, item); });
    }
  });
  for (std::int64_t item = 0; item < cut.items(); ++item) {
    for (std::int64_t head = 0; head < cut.heads; ++head) {
      merge(partial(cut, item, head), state, item / cut.chunks, head);
    }
  }
}

/// Run after run of keys that the query sees: what it does not see is not even read.
template <class T>
void OneQuery::fold_chunk(const ForwardBlock& block, const Cut& cut, std::int64_t item) const {
  for (std::int64_t head = 0; head < cut.heads; ++head) {
    const Partial to = partial(cut, item, head);
    *to.maximum = minus_infinity;
    *to.sum = 0.0F;
    std::fill_n(to.output, options_.head_size, 0.0F);
  }
  const std::int64_t batch = item / cut.chunks;
  const std::int64_t first = item % cut.chunks * cut.chunk;
  const std::int64_t last = std::min(first + cut.chunk, cut.keys);
  const bool has_documents = block.mask.has_documents();
  const std::int32_t document = has_documents ? block.mask.query_document_ids(batch, 0) : 0;
  const auto sees = [&](std::int64_t key) {
    return !has_documents || (document >= 0 && block.mask.key_document_ids(batch, key) == document);
  };
  for (std::int64_t begin = first; begin < last;) {
    std::int64_t end = begin;
    if (!has_documents) {
      end = std::min(begin + run_keys, last);
    }
    while (has_documents && end < last && end - begin < run_keys && sees(end)) {
      ++end;
    }
    if (end > begin) {
      fold_run<T>(block, cut, item, begin, end);
    }
    begin = std::max(end, begin + 1);
  }
}

template <class T>
void OneQuery::fold_run(const ForwardBlock& block, const Cut& cut, std::int64_t item, std::int64_t begin,
                        std::int64_t end) const {
  const std::int64_t batch = item / cut.chunks;
  const std::int64_t head_size = options_.head_size;
  const std::int64_t group = cut.heads / block.k.heads();
  const std::int64_t keys = end - begin;
  const TensorView<const T, 4> k = block.k.as<T>();
  const TensorView<const T, 4> v = block.v.as<T>();
  Work work;
  for (std::int64_t kv_head = 0; kv_head < block.k.heads(); ++kv_head) {
    for (std::int64_t done = 0; done < group; done += rows_of_pass) {
      const std::int64_t first = kv_head * group + done;
      const std::int64_t rows = std::min(rows_of_pass, group - done);
      with_type(block.q.dtype, [&](auto type) {
        const auto q = block.q.as<decltype(type)>();
        for (std::int64_t row = 0; row < rows; ++row) {
          for (std::int64_t d = 0; d < head_size; ++d) {
            work.q[row * cut.padded_head + d] = static_cast<float>(q(batch, 0, first + row, d));
          }
        }
      });
      rows_.of<T>().dot_products({.m = rows,
                                  .n = keys,
                                  .k = head_size,
                                  .a = work.q,
                                  .a_leading = cut.padded_head,
                                  .b = &k(batch, begin, kv_head, 0),
                                  .b_leading = k.strides[1],
                                  .c = work.scores,
                                  .c_leading = run_keys,
                                  .scale = options_.scale});
      for (std::int64_t row = 0; row < rows; ++row) {
        const Partial to = partial(cut, item, first + row);
        float* scores = work.scores + row * run_keys;
        const float largest = std::max(*to.maximum, rows_.maximum(scores, keys));
        if (largest != *to.maximum) {
          const float factor = std::exp(*to.maximum - largest);
          *to.sum *= factor;
          rows_.scale(to.output, head_size, factor);
          *to.maximum = largest;
        }
        *to.sum += rows_.sum_exponentials(scores, keys, largest, scores);
      }
      rows_.of<T>().weighted_sums({.m = rows,
                                   .n = head_size,
                                   .k = keys,
                                   .a = work.scores,
                                   .a_leading = run_keys,
                                   .b = &v(batch, begin, kv_head, 0),
                                   .b_leading = v.strides[1],
                                   .c = partial(cut, item, first).output,
                                   .c_leading = cut.partial_floats()});
    }
  }
}

void OneQuery::merge(const Partial& from, const AttentionState& state, std::int64_t batch, std::int64_t head) const {
  if (*from.maximum == minus_infinity && *from.sum == 0.0F) {
    return;  // it saw no key; a sum that is no number must show
  }
  float& maximum = state.maximum(batch, head, 0);
  float& sum = state.sum(batch, head, 0);
  float* output = &state.output(batch, head, 0, 0);
  const float largest = std::max(maximum, *from.maximum);
  const float factor = maximum == minus_infinity ? 0.0F : std::exp(maximum - largest);
  const float added = std::exp(*from.maximum - largest);
  sum = factor * sum + added * *from.sum;
  if (maximum == minus_infinity) {  // memory of any content
    std::copy_n(from.output, options_.head_size, output);
    rows_.scale(output, options_.head_size, added);
  } else {
    rows_.combine(from.output, added, output, factor, options_.head_size);
  }
  maximum = largest;
}

}  // namespace ringworld::host_attention
