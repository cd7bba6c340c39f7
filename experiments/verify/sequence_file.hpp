#pragma once
/// @file  Whole sequences in HDF5 files, read and written by ranks that hold shards of them.
/// Shapes: B sequences, S tokens in global order, T tokens of one rank.

#include <array>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.hpp"
#include "core/tensor_view.hpp"
#include "device/buffer.hpp"
#include "io/non_finite.hpp"
#include "io/tensor_file.hpp"
#include "kernels/attention/attention_problem.hpp"
#include "sequence/partition.hpp"

namespace ringworld {

/// A dense tensor in a new buffer.
template <class T, std::size_t N>
[[nodiscard]] TensorView<T, N> make_tensor(const std::array<std::int64_t, N>& shape, Buffer& memory,
                                           DeviceKind kind = DeviceKind::host) {
  memory = Buffer(element_count(shape) * static_cast<std::int64_t>(sizeof(T)), kind);
  return {memory.as<T>(), shape};
}

/// Reads one rank's tokens.
class SequenceReader {
 public:
  SequenceReader(const TensorReader& file, const Partition& partition, std::int64_t rank)
      : file_(file), runs_(partition.runs(rank)) {}

  /// A (B, T, heads, D) shard of a (B, S, heads, D) dataset, rounded to `dtype`.
  [[nodiscard]] ActivationView read(const std::string& dataset, const std::array<std::int64_t, 4>& shape, DType dtype,
                                    Buffer& memory) const;
  /// Counts the values of a shard that are not finite, those of padding (a negative id) left out: what it holds has no
  /// meaning.
  /// @param context_length  S     @param document_ids  (B, T); no data where there is no padding
  void count_non_finite(const std::string& dataset, std::int64_t context_length, const ActivationView& shard,
                        const TensorView<std::int32_t, 2>& document_ids, NonFiniteNumbers& found) const;
  /// A (B, T) shard of a (B, S) dataset.
  [[nodiscard]] TensorView<std::int32_t, 2> read_document_ids(const std::string& dataset, std::int64_t batch,
                                                              Buffer& memory) const;

 private:
  const TensorReader& file_;
  std::vector<TokenRun> runs_;
};

/// The output file, held by one rank.
class SequenceWriter {
 public:
  /// Creates the datasets. @throws Error(bad_input) when the path cannot be written.
  SequenceWriter(const std::string& path, const AttentionProblem& problem, bool has_backward);

  /// Writes the tokens of a run. `token_axis` is that of the dataset; `shape` that of the dense values.
  void write(const std::string& dataset, std::size_t token_axis, const TokenRun& run,
             std::span<const std::int64_t> shape, std::span<const float> values);
  void finish() { file_.finish(); }
  /// NaN and infinite values among the numbers that were written. The log-sum-exp of an empty row, -infinity, is a
  /// valid result.
  [[nodiscard]] const NonFiniteNumbers& non_finite() const { return non_finite_; }

 private:
  void add(const std::string& dataset, std::span<const std::int64_t> shape, const std::string& meaning);

  TensorWriter file_;
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> shapes_;
  NonFiniteNumbers non_finite_;
};

/// Brings the shards of all ranks to the root's writer, one run at a time, so that no rank holds a whole tensor.
class SequenceGather {
 public:
  SequenceGather(const Communicator& communicator, const Partition& partition)
      : communicator_(communicator), partition_(partition) {}

  /// Collective. @param values dense, this rank's tokens on `token_axis`
  template <class T, std::size_t N>
  void write(const std::string& dataset, std::size_t token_axis, const TensorView<T, N>& values,
             std::optional<SequenceWriter>& writer) const {
    write_shard(dataset, token_axis, values.shape, {values.data, static_cast<std::size_t>(values.size())}, writer);
  }

 private:
  void write_shard(const std::string& dataset, std::size_t token_axis, std::span<const std::int64_t> shape,
                   std::span<const float> values, std::optional<SequenceWriter>& writer) const;

  const Communicator& communicator_;
  const Partition& partition_;
};

}  // namespace ringworld
