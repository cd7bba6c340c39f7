#pragma once
/// @file  A ring-parallel model as what evaluations ask: whole sequences in, the likeliest tokens of some places out.

#include "eval/next_token.hpp"
#include "model/model.hpp"

namespace ringworld {

/// Passes of one shape. A pass with fewer sequences than the model's batch is filled up with copies of its first.
class RingPredictor {
 public:
  /// Collective over the mesh of `parameters`, which must outlive this. Sequences are not split over dp and fsdp.
  /// @throws Error(bad_input) when the mesh has dp or fsdp, or as Model.
  RingPredictor(ShardedParameters& parameters, const ModelOptions& options, double rope_theta);

  /// Collective over the mesh. @pre 1 <= B <= batch
  [[nodiscard]] std::vector<NextToken> predict(std::span<const Token> tokens, std::span<const TokenPlace> places);

  [[nodiscard]] NextTokenPredictor function() {
    return
        [this](std::span<const Token> tokens, std::span<const TokenPlace> places) { return predict(tokens, places); };
  }

 private:
  Communicator ring_;
  Model model_;
  std::vector<std::int64_t> local_of_;  // (S), where this rank holds a position; -1: another rank does
  std::vector<Token> tokens_;           // (B, T), as are the others
  std::vector<Token> targets_;
  std::vector<float> weights_;
  std::vector<float> nll_;
  std::vector<Token> likeliest_;
};

}  // namespace ringworld
