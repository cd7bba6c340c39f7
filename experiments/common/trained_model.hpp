#pragma once
/// @file  A model as `ringworld train` left it: parameters, tokenizer, and what it was trained for.

#include <memory>
#include <string>

#include "comm/mesh.hpp"
#include "experiments/common/run_flags.hpp"
#include "model/parameters.hpp"
#include "tokens/tokenizer.hpp"
#include "train/model_checkpoint.hpp"

namespace ringworld {

class TrainedModel {
 public:
  /// Collective over `world`, whose ranks form `mesh`, which must outlive this. The parameters lie where the
  /// backend of the flags computes.
  /// Weights of another program take the tokenizer that comes with them (read_tokenizer_of_weights).
  /// @throws Error(bad_input, collective) when nothing says what the tokenizer is, or it cannot be made, or the
  /// schedule of the flags does not fit the model or the mesh;
  /// Error(out_of_memory, collective).
  TrainedModel(const Communicator& world, const Mesh& mesh, const std::string& checkpoint, const RunFlags& flags);

  [[nodiscard]] ShardedParameters& parameters() const { return *parameters_; }
  [[nodiscard]] const Tokenizer& tokenizer() const { return *tokenizer_; }
  /// `rope_theta` and `context_length` are those of the stage that trained it last.
  [[nodiscard]] const CheckpointDescription& description() const { return description_; }
  /// Digest of the parameters and the tokenizer: the same for the same model on any mesh. 16 hexadecimal digits.
  [[nodiscard]] const std::string& digest() const { return digest_; }

 private:
  std::unique_ptr<ShardedParameters> parameters_;
  std::unique_ptr<Tokenizer> tokenizer_;
  CheckpointDescription description_;
  std::string digest_;
};

}  // namespace ringworld
