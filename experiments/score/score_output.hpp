#pragma once
/// @file  What `score` writes, brought to one rank.
/// Shapes: B sequences, S tokens, V tokens of the vocabulary.

#include <optional>
#include <span>
#include <string>

#include "io/non_finite.hpp"
#include "io/tensor_file.hpp"
#include "model/model.hpp"

namespace ringworld {

struct ScoreOutputs {
  std::int64_t batch = 0;           ///< B
  std::int64_t context_length = 0;  ///< S
  bool has_logits = false;
  bool has_gradients = false;
};

class ScoreOutput {
 public:
  /// Creates the datasets on the root. @throws Error(bad_input), collective, when the path cannot be written.
  ScoreOutput(const std::string& path, const ScoreOutputs& outputs, const ParameterLayout& layout, const Mesh& mesh);

  /// Writes /nll. @param nll (B, S - 1), what this rank knows and 0 elsewhere; overwritten. Collective over the mesh.
  void write_nll(std::span<double> nll);
  /// Writes one row of /logits a group of ranks with a batch of its own, after a pass over these rows.
  /// @param row  of this rank's group, of all B; the groups' rows follow each other. Collective over the mesh.
  void write_logits(Model& model, std::int64_t row);
  /// Writes /gradients. Collective over the mesh.
  void write_gradients(const ShardedParameters& parameters);
  void finish();
  /// NaN and infinite values among the numbers that were written. On the root.
  [[nodiscard]] const NonFiniteNumbers& non_finite() const { return non_finite_; }

 private:
  void write(const std::string& dataset, std::span<const std::int64_t> shape, const Hyperslab& slab,
             std::span<const float> values);

  ScoreOutputs outputs_;
  std::int64_t vocab_size_;
  Mesh mesh_;
  Communicator groups_;  // ranks of equal tp and sp: one a group
  std::optional<TensorWriter> writer_;
  NonFiniteNumbers non_finite_;
};

}  // namespace ringworld
